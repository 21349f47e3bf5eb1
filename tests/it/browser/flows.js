// Plays what people do with the pages, in Chromium.
//
// usage: flows.js LIBRARIES BASE_URL EMAIL PASSWORD PICTURES
//
// LIBRARIES is the folder with playwright-core and axe-core. Ends with 0 when everything was as it should be; else it
// says what was not. It waits for what a page shows, never for a time.

const assert = require("node:assert/strict");
const path = require("node:path");

const [libraries, base, email, password, pictures] = process.argv.slice(2);
const { chromium } = require(path.join(libraries, "playwright-core"));
const axe = require.resolve(path.join(libraries, "axe-core/axe.min.js"));
const program = process.env.SENDWHEEL_CHROMIUM ?? "/usr/bin/chromium";
const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const widths = { wide: 1440, middle: 1024, narrow: 390 };

const step = async (name, play) => {
  const begun = performance.now();
  await play();
  console.log(`${name}: ${Math.round(performance.now() - begun)} ms`);
};

// What keeps people out, gathered over all pages so that one run shows all of it.
const barriers = [];
const check = async (page, name) => {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width: colorScheme === "light" ? widths.wide : widths.narrow, height: 900 });
    // Evaluated in the page's own world, past its policy: this is the test's script, not the page's.
    await page.evaluate(require("node:fs").readFileSync(axe, "utf8"));
    const found = await page.evaluate(() =>
      globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
    );
    for (const { id, nodes } of found.violations) {
      barriers.push(...nodes.map((node) => `${name}, ${colorScheme}: ${id}: ${node.html} ${node.failureSummary}`));
    }
    for (const [size, width] of Object.entries(widths)) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      const isTooWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      if (isTooWide) barriers.push(`${name} scrolls sideways at ${width} px`);
      await page.screenshot({ path: path.join(pictures, `${name}-${size}-${colorScheme}.png`) });
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: widths.wide, height: 900 });
};

const flows = async (browser) => {
  const context = await browser.newContext({ timezoneId: "Europe/Berlin", viewport: { width: 1440, height: 900 } });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const complaints = [];
  const elsewhere = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => complaints.push(`dialog: ${dialog.message()}`));
  page.on("request", (request) => request.url().startsWith(base) || elsewhere.push(request.url()));

  await step("sign in", async () => {
    const policy = (await page.goto(base)).headers()["content-security-policy"];
    assert.match(policy, /default-src 'none'/);
    assert.equal(new URL(page.url()).pathname, "/sign-in");
    await page.getByLabel("Email").fill(email);
    await page.getByLabel("Password").fill("not this one");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    complaints.length = 0; // Chromium calls the 401 an error.
    await check(page, "sign-in");
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Sign out" }).waitFor();
  });

  await step("conversations", async () => {
    await page.getByRole("link", { name: /^Maya Chen/ }).waitFor();
    await check(page, "conversations");
    await page.keyboard.press("/");
    await page.keyboard.type("len");
    await page.getByRole("link", { name: /^Maya Chen/ }).waitFor({ state: "detached" });
    await page.getByRole("link", { name: /^Lena Fischer/ }).waitFor();
    await page.getByLabel("Search").fill("maya");
    await page.getByRole("link", { name: /^Maya Chen/ }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Maya Chen" }).waitFor();
  });

  const article = (name) => page.getByRole("article", { name });

  await step("schedule, cancel, undo", async () => {
    await page.keyboard.press("c");
    await page.getByLabel("Email message").check();
    await page.getByLabel("Subject").fill("Your appointment");
    await page.getByLabel("Message", { exact: true }).fill("See you on Tuesday at ten.");
    await page.getByRole("button", { name: "Schedule", exact: true }).click();
    assert.equal(await page.getByLabel("Time zone").inputValue(), "America/Los_Angeles");
    await page.getByRole("button", { name: /^Tomorrow 9:00/ }).click();
    assert.equal(await page.getByLabel("Time", { exact: true }).inputValue(), "09:00");
    await page.getByText("Tomorrow 09:00 in Los Angeles").waitFor();
    await page.getByText(/(Today|Tomorrow) 1[78]:00 your time \(Berlin\)/).waitFor();
    await check(page, "schedule");
    await page.getByRole("button", { name: "Schedule message" }).click();
    await article(/^Scheduled, Tomorrow 09:00/).waitFor();
    await check(page, "scheduled");
    await article(/^Scheduled/).getByRole("button", { name: "Cancel message" }).click();
    await article(/^Canceled/).waitFor();
    await page.getByRole("button", { name: "Undo" }).click();
    await article(/^Scheduled, Tomorrow 09:00/).waitFor();
    assert.equal(await article(/^Canceled/).count(), 0);
  });

  await step("change", async () => {
    await article(/^Scheduled/).getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Message", { exact: true }).fill("See you on Tuesday at eleven.");
    await page.getByRole("button", { name: "Save" }).click();
    await article(/^Scheduled/).getByText("at eleven").waitFor();
    await article(/^Scheduled/).getByRole("button", { name: "Reschedule" }).click();
    await page.getByLabel("Time", { exact: true }).fill("10:30");
    await page.getByText("Tomorrow 10:30 in Los Angeles").waitFor();
    await page.getByRole("button", { name: "Save" }).click();
    await article(/^Scheduled, Tomorrow 10:30/).getByRole("button", { name: "Cancel message" }).click();
    await article(/^Canceled/).getByRole("button", { name: "Write again" }).click();
    assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "See you on Tuesday at eleven.");
    assert.equal(await page.getByLabel("Email message").isChecked(), true);
  });

  await step("send", async () => {
    await page.getByLabel("SMS").check();
    await page.getByLabel("Message", { exact: true }).fill("Running late 🎉");
    await page.getByText(/UCS-2 because of/).waitFor();
    await page.getByRole("button", { name: "Send", exact: true }).click();
    // Its state changes while one looks: no reloading here.
    await article(/^Submitted/).getByText("Running late").waitFor();
    await page.getByLabel("Note for colleagues").fill("Prefers mornings.");
    await page.getByRole("button", { name: "Keep note" }).click();
    await article(/^Note/).getByText("Prefers mornings.").waitFor();
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByRole("alert").getByText("An SMS needs a body").waitFor();
    complaints.length = 0; // Chromium calls the 422 an error.
    await check(page, "thread");
  });

  await step("strangers", async () => {
    await page.goto(base);
    await page.getByRole("link", { name: /^<img/ }).first().click();
    await article(/^Received/).waitFor();
    await article(/^Received/).getByText("there").waitFor();
    assert.equal(await page.evaluate(() => globalThis.ran), undefined);
    assert.equal(await page.locator(".mail form, .mail script, .mail [onerror], .mail a[href^=javascript]").count(), 0);
    await check(page, "stranger");
    await page.goto(`${base}/contacts/none`);
    await page.getByRole("heading", { name: "There is nothing here" }).waitFor();
    complaints.length = 0; // Chromium calls the 404 an error.
    await check(page, "nothing");
  });

  await step("contacts come and go", async () => {
    await page.goto(base);
    await page.getByRole("link", { name: "New contact" }).click();
    await check(page, "new-contact");
    await page.getByLabel("Name").fill("Noah Wilson");
    await page.getByLabel("Phone").fill("12");
    await page.getByRole("button", { name: "Add contact" }).click();
    await page.getByRole("alert").getByText(/^Phone: /).waitFor();
    complaints.length = 0; // Chromium calls the 422 an error.
    await page.getByLabel("Phone").fill("+61491570006");
    await page.getByRole("button", { name: "Add contact" }).click();
    await page.getByLabel("Message", { exact: true }).fill("Good day");
    await page.getByRole("button", { name: "Schedule", exact: true }).click();
    await page.getByRole("button", { name: "Schedule message" }).click();
    await article(/^Scheduled/).waitFor();
    await page.getByRole("button", { name: "Delete contact" }).click();
    await page.getByText("1 scheduled message will be cancelled.").waitFor();
    await check(page, "delete-contact");
    await page.getByRole("button", { name: "Delete contact" }).click();
    await page.getByRole("link", { name: /^Maya Chen/ }).waitFor();
    assert.equal(await page.getByRole("link", { name: /^Noah Wilson/ }).count(), 0);
  });

  await step("forged forms", async () => {
    await page.goto(base);
    const csrf = await page.locator("[name=csrf]").first().inputValue();
    const post = (token, site) =>
      context.request.post(`${base}/sign-out`, { form: { csrf: token }, headers: { "Sec-Fetch-Site": site }, maxRedirects: 0 });
    assert.equal((await post("x", "same-origin")).status(), 403);
    assert.equal((await post(csrf, "cross-site")).status(), 403);
    await page.reload();
    await page.getByRole("button", { name: "Sign out" }).waitFor();
  });

  await step("without scripts", async () => {
    const plain = await browser.newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
    plain.setDefaultTimeout(20_000);
    const bare = await plain.newPage();
    await bare.goto(base);
    await bare.getByLabel("Search").fill("lena");
    await bare.keyboard.press("Enter");
    await bare.getByRole("link", { name: /^Lena Fischer/ }).click();
    await bare.getByLabel("Message", { exact: true }).fill("By hand");
    await bare.getByRole("button", { name: "Schedule", exact: true }).click();
    await bare.getByRole("button", { name: "Schedule message" }).click();
    await bare.getByRole("article", { name: /^Scheduled, Tomorrow 09:00/ }).waitFor();
    await plain.close();
    // The page that stayed open shows it by itself.
    await page.getByRole("link", { name: /^Lena Fischer.*Next scheduled: Tomorrow 09:00/ }).waitFor();
  });

  await step("sign out", async () => {
    await page.goto(base);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.goto(base);
    assert.equal(new URL(page.url()).pathname, "/sign-in");
  });
  assert.deepEqual(barriers, []);
  assert.deepEqual(complaints, [], "the browser complained");
  assert.deepEqual(elsewhere, [], "a page asked another host");
};

(async () => {
  const browser = await chromium.launch({ executablePath: program, args: flags, headless: true });
  try {
    await flows(browser);
  } finally {
    await browser.close();
  }
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});

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

// The contact whose name and mail are a script.
const HOSTILE = /^<img/;

// The page of the step under way, for a picture of what it showed when it failed.
let shown;
const step = async (name, play) => {
  const begun = performance.now();
  try {
    await play();
  } catch (error) {
    await shown?.screenshot({ path: path.join(pictures, "failed.png") }).catch(() => {});
    throw error;
  }
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
      // Half of them each: all six take longer than looking at them is worth.
      if ((size === "narrow") === (colorScheme === "dark")) {
        await page.screenshot({ path: path.join(pictures, `${name}-${size}-${colorScheme}.png`) });
      }
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: widths.wide, height: 900 });
};

const flows = async (browser) => {
  const context = await browser.newContext({ timezoneId: "Europe/Berlin", viewport: { width: 1440, height: 900 } });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  shown = page;
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
    await page.getByLabel("Message", { exact: true }).selectText();
    await page.getByRole("button", { name: "Bold" }).click();
    assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "**See you on Tuesday at ten.**");
    await page.getByLabel("Subject").fill("For {{ contact.name }}");
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("region", { name: "Preview" }).getByText("For Maya Chen").waitFor();
    await page.getByLabel("Subject").fill("Your appointment");
    const file = { name: "<b>map.txt", mimeType: "text/plain", buffer: Buffer.from("Turn left") };
    await page.getByLabel("Attach file").setInputFiles(file);
    await page.getByRole("button", { name: "Schedule", exact: true }).click();
    assert.equal(await page.getByLabel("Time zone").inputValue(), "America/Los_Angeles");
    await page.getByRole("button", { name: /^Tomorrow 9:00/ }).click();
    assert.equal(await page.getByLabel("Time", { exact: true }).inputValue(), "09:00");
    await page.getByText("Tomorrow 09:00 in Los Angeles").waitFor();
    await page.getByText(/(Today|Tomorrow) 1[78]:00 your time \(Berlin\)/).waitFor();
    await check(page, "schedule");
    // Enter does what the dialog is for, whatever button the form begins with.
    await page.getByLabel("Time", { exact: true }).press("Enter");
    await article(/^Scheduled, Tomorrow 09:00/).waitFor();
    assert.equal(await article(/^Scheduled/).locator(".mail strong").innerText(), "See you on Tuesday at ten.");
    await article(/^Scheduled/).getByText("<b>map.txt (1 KB)").waitFor();
    await check(page, "scheduled");
    await article(/^Scheduled/).getByRole("button", { name: "Cancel message" }).click();
    await article(/^Canceled/).waitFor();
    // It can be taken back from elsewhere, too.
    await page.getByRole("link", { name: "Schedule", exact: true }).click();
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
    // Where there is no room for it beside the conversation, the contact is a drawer over it.
    await page.setViewportSize({ width: widths.narrow, height: 844 });
    assert.equal(await page.getByRole("button", { name: "Delete contact" }).isVisible(), false);
    await page.getByRole("button", { name: "Contact", exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Delete contact" }).waitFor();
    await page.screenshot({ path: path.join(pictures, "contact-narrow-light.png") });
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Delete contact" }).waitFor({ state: "hidden" });
    await page.setViewportSize({ width: widths.wide, height: 900 });
  });

  const settings = (name) => page.getByRole("navigation", { name: "Settings" }).getByRole("link", { name }).click();

  await step("templates", async () => {
    await page.getByRole("link", { name: "Settings" }).click();
    await settings("Templates");
    await page.getByLabel("Name").fill("Reminder <b>");
    await page.getByLabel("Message", { exact: true }).fill("Hi {{ contact.name }},\n{% if %}");
    await page.getByRole("button", { name: "Add template" }).click();
    await page.getByRole("alert").getByText(/^Message: Body, line 2: /).waitFor();
    complaints.length = 0; // Chromium calls the 422 an error.
    await page.getByLabel("Message", { exact: true }).fill("Hi {{ contact.name }}, see you tomorrow 🎉");
    await page.getByRole("button", { name: "Add template" }).click();
    await page.getByRole("status").getByText("Added.").waitFor();
    await page.getByLabel("Name").fill("Newsletter");
    await page.getByRole("radio", { name: "Email" }).check();
    await page.getByLabel("Subject").fill("News for {{ contact.name }}");
    await page.getByLabel("Message", { exact: true }).fill("Good news");
    await page.getByText("HTML of its own", { exact: true }).first().click();
    await page.getByRole("textbox", { name: "HTML of its own" }).fill(`<h1>Good news, {{ contact.name }}</h1><img src=x onerror="window.ran=1">`);
    await check(page, "settings-templates");
    await page.getByRole("button", { name: "Add template" }).click();
    await page.getByRole("link", { name: "Newsletter" }).click();
    await check(page, "settings-template");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("status").getByText("Saved.").waitFor();

    await page.goto(base);
    await page.getByRole("link", { name: /^Maya Chen/ }).click();
    await page.getByLabel("SMS").check();
    assert.deepEqual(await page.getByLabel("Template").locator("option").allTextContents(), ["None", "Reminder <b>"]);
    await page.getByLabel("Template").selectOption("Reminder <b>");
    await page.getByRole("region", { name: "Preview" }).getByText("Hi Maya Chen, see you tomorrow").waitFor();
    await page.getByText(/UCS-2 because of/).waitFor();
    assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "Hi {{ contact.name }}, see you tomorrow 🎉");
    await check(page, "template");
    await page.getByLabel("Email message").check();
    await page.getByLabel("Template").selectOption("Newsletter");
    await page.getByRole("region", { name: "Preview" }).getByRole("heading", { name: "Good news, Maya Chen" }).waitFor();
    assert.equal(await page.getByLabel("Message", { exact: true }).isVisible(), false);
    await check(page, "template-whole");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await article(/^Submitted/).getByRole("heading", { name: "Good news, Maya Chen" }).waitFor();
    assert.equal(await page.evaluate(() => globalThis.ran), undefined);
  });

  await step("smart send", async () => {
    await page.getByLabel("SMS").check();
    await page.getByLabel("Message", { exact: true }).fill("When it suits you");
    await page.getByRole("button", { name: "Schedule", exact: true }).click();
    await page.getByLabel("Smart send").check();
    await page.getByText(/Too little is known of Maya Chen yet, so it goes at the first moment/).waitFor();
    assert.equal(await page.getByLabel("Date").isVisible(), false);
    await page.getByLabel("Within").selectOption("48 hours");
    await page.getByLabel("If too little is known").selectOption("Best for others");
    await page.getByText(/Too little is known of Maya Chen yet: it is the hour/).waitFor();
    await check(page, "smart");
    await page.getByRole("button", { name: "Schedule message" }).click();
    const waits = article(/^Scheduled/).getByText(/Waits for its smart moment, in \d+ .*Too little is known/s);
    // What is the best moment of a window may be the first one.
    await waits.or(article(/^Submitted/).getByText("When it suits you")).first().waitFor();
    await check(page, "smart-waits");
  });

  await step("what repeats", async () => {
    await page.goto(base);
    await page.getByRole("link", { name: /^Lena Fischer/ }).click();
    await page.getByLabel("SMS").check();
    await page.getByLabel("Message", { exact: true }).fill("Time for your exercises");
    await page.getByRole("button", { name: "Schedule", exact: true }).click();
    await page.getByRole("button", { name: /^Tomorrow 9:00/ }).click();
    await page.getByLabel("Repeat").selectOption("Monday to Friday");
    await page.getByText("09:00 in Berlin").waitFor();
    await page.getByLabel("Last day").fill("2020-01-31");
    await page.getByText("No such day comes by the last day: choose a later one").waitFor();
    await page.getByRole("button", { name: "Schedule message" }).click();
    await page.getByRole("alert").getByText(/^Repeat: No such day comes/).waitFor();
    complaints.length = 0; // Chromium calls the 422 an error.
    await page.getByRole("button", { name: "Schedule", exact: true }).click();
    assert.equal(await page.getByLabel("Repeat").inputValue(), "weekdays");
    await page.getByLabel("Last day").fill("");
    await check(page, "repeat");
    await page.getByRole("button", { name: "Schedule message" }).click();
    const waits = article(/^Scheduled/).filter({ hasText: "Time for your exercises" });
    await waits.getByText("Repeats weekly on Mon, Tue, Wed, Thu and Fri.").waitFor();
    await check(page, "repeats");
    await waits.getByRole("button", { name: "Cancel message" }).click();
    await article(/^Canceled/).filter({ hasText: "Time for your exercises" }).waitFor();
    // The next one is there all the same.
    await waits.getByRole("button", { name: "Cancel all that repeat" }).click();
    await waits.waitFor({ state: "detached" });
    await page.getByText(/^The message that repeated weekly on .* was canceled/).waitFor();
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

  await step("a contact is changed", async () => {
    await page.goto(base);
    await page.getByRole("link", { name: /^Lena Fischer/ }).click();
    await page.getByRole("link", { name: "Edit contact" }).click();
    await check(page, "edit-contact");
    await page.getByLabel("Phone 2", { exact: true }).fill("12");
    await page.getByRole("button", { name: "Save contact" }).click();
    await page.getByRole("alert").getByText(/^Phone: /).waitFor();
    complaints.length = 0; // Chromium calls the 422 an error.
    await page.getByLabel("Phone 2", { exact: true }).fill("+4915123456780");
    await page.getByRole("radio", { name: "Primary phone 2" }).check();
    await page.getByLabel("Tags").fill("sample, <b>bold</b>");
    await page.getByLabel("Name of attribute 1").fill("plan");
    await page.getByLabel("Value of attribute 1").fill("pro");
    await page.getByLabel("SMS consent").selectOption("Agreed");
    await page.getByRole("button", { name: "Save contact" }).click();
    const side = page.getByRole("complementary", { name: "Contact" });
    for (const text of ["+4915123456780 primary", "<b>bold</b>", "pro", "Agreed"]) await side.getByText(text).waitFor();
  });

  await step("contacts are imported", async () => {
    await page.goto(base);
    await page.getByRole("link", { name: "New contact" }).click();
    await page.getByRole("link", { name: "Import many at once" }).click();
    const csv = "name,email,phone\nZoë Quill,zoe@example.com,\n<img src=x onerror=window.ran=1>,nowhere,\nYan Ode,,+61491570110\n";
    await page.getByLabel("File").setInputFiles({ name: "people.csv", mimeType: "text/csv", buffer: Buffer.from(csv) });
    await page.getByRole("button", { name: "Check rows" }).click();
    await page.getByRole("status").getByText("Rows that can be imported: 2, 1 refused.").waitFor();
    await page.getByRole("cell", { name: /^email: / }).waitFor();
    await check(page, "import");
    await page.getByRole("button", { name: "Import contacts" }).click();
    await page.getByRole("status").getByText("2 created, 0 updated, 1 refused.").waitFor();
    await page.goto(base);
    await page.getByRole("link", { name: /^Zoë Quill/ }).waitFor();
  });

  await step("the schedule", async () => {
    await page.getByRole("link", { name: "Schedule", exact: true }).click();
    await page.getByRole("heading", { name: "Tomorrow" }).waitFor();
    await page.getByRole("link", { name: HOSTILE }).first().waitFor();
    await check(page, "plan-list");
    const boxes = page.getByRole("checkbox", { name: /^(SMS|Email) to/ });
    const count = await boxes.count();
    await page.getByRole("checkbox", { name: "All on this page" }).focus();
    await page.keyboard.press("Space");
    assert.equal(await page.getByRole("checkbox", { name: /^(SMS|Email) to/, checked: true }).count(), count);
    await page.getByRole("button", { name: "Reschedule selected" }).click();
    await page.getByLabel("Date").fill("2020-01-01");
    await page.getByRole("button", { name: "Reschedule", exact: true }).click();
    await page.getByRole("alert").waitFor();
    complaints.length = 0; // Chromium calls the 422 an error.
    await boxes.first().check();
    await boxes.first().press("Enter");
    await page.getByRole("button", { name: "Reschedule selected" }).click();
    await page.getByLabel("Date").fill("2035-05-07");
    await page.screenshot({ path: path.join(pictures, "plan-move-wide-light.png") });
    await page.getByLabel("Time", { exact: true }).press("Enter");
    await page.getByRole("status").getByText("1 message moved.").waitFor();
    await page.getByRole("heading", { name: "7 May 2035" }).waitFor();
    await boxes.first().check();
    await page.getByRole("button", { name: "Cancel selected" }).click();
    await page.getByRole("status").getByText("1 message canceled.").waitFor();
    assert.equal(await boxes.count(), count - 1);
    // Only what was done last is taken back, not what was cancelled just before.
    await boxes.last().check();
    await page.getByRole("button", { name: "Cancel selected" }).click();
    await page.getByRole("heading", { name: "7 May 2035" }).waitFor({ state: "detached" });
    assert.equal(await boxes.count(), count - 2);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByRole("status").getByText("Taken back.").waitFor();
    await page.getByRole("heading", { name: "7 May 2035" }).waitFor();
    assert.equal(await boxes.count(), count - 1);
    await page.getByRole("link", { name: "Week", exact: true }).click();
    // This week may have nothing more; that one has.
    await page.getByLabel("From day").fill("2035-05-07");
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByRole("link", { name: /^\d\d:\d\d/ }).first().waitFor();
    for (const [width, height] of [[widths.wide, 300], [widths.narrow, 400]]) {
      await page.setViewportSize({ width, height });
      const isCut = await page.locator(".week").evaluate((week) => week.scrollHeight > week.clientHeight);
      assert.ok(!isCut, `the week is cut at ${width} x ${height}`);
    }
    await check(page, "plan-week");
    await page.getByRole("link", { name: "Week after" }).click();
    await page.getByLabel("Channel").selectOption("email");
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(/view=week.*channel=email/);
  });

  await step("settings", async () => {
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByLabel("Name").fill("Ann <b>Baker</b>");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("status").getByText("Saved.").waitFor();
    await check(page, "settings-you");
    await settings("Senders");
    await page.getByLabel("Address").fill("12");
    await page.getByRole("button", { name: "Add sender" }).click();
    await page.getByRole("alert").getByText(/^Address: /).waitFor();
    complaints.length = 0; // Chromium calls the 422 an error.
    await page.getByLabel("Address").fill("24365");
    await page.getByLabel("Label").fill(`Desk ${"<img src=x onerror=window.ran=1>"}`);
    await page.getByRole("button", { name: "Add sender" }).click();
    await page.getByRole("link", { name: "24365" }).waitFor();
    await check(page, "settings-senders");
    await page.getByRole("link", { name: "24365" }).click();
    await page.getByLabel("Units").fill("3");
    await page.getByLabel("In each").fill("1m");
    await check(page, "settings-sender");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("cell", { name: "3 in 1m, 1 at once" }).waitFor();
    await settings("Users");
    await page.getByLabel("Email").fill("bo@example.org");
    await page.getByRole("button", { name: "Invite" }).click();
    await page.getByRole("status").getByText(/^Invited/).waitFor();
    await page.getByRole("cell", { name: "user Invited" }).waitFor();
    await check(page, "settings-users");
    await settings("API keys");
    await page.getByLabel("Name").fill("billing");
    await page.getByRole("button", { name: "Make key" }).click();
    await page.getByRole("status").getByText(/sw_[\w-]{40}/).waitFor();
    await check(page, "settings-keys");
    await settings("API keys");
    assert.equal(await page.getByText(/sw_[\w-]{40}/).count(), 0);
    await page.getByRole("button", { name: "Revoke billing" }).click();
    await page.getByRole("status").getByText(/^Revoked/).waitFor();
    await settings("Webhooks");
    await page.getByLabel("URL").fill("https://crm.example.com/sendwheel");
    await page.getByRole("button", { name: "Add webhook" }).click();
    await page.getByRole("status").getByText(/whsec_/).waitFor();
    await check(page, "settings-webhooks");
    await settings("Account");
    await page.getByLabel("Quiet hours 1 from").fill("22:00");
    await page.getByLabel("Quiet hours 1 to").fill("25:00");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("alert").getByText(/^Quiet hours: /).waitFor();
    complaints.length = 0; // Chromium calls the 422 an error.
    await page.getByLabel("Quiet hours 1 to").fill("06:00");
    await page.getByLabel("Days on which nothing is sent").fill("12-25 sms US");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("status").getByText("Saved.").waitFor();
    assert.equal(await page.getByLabel("Days on which nothing is sent").inputValue(), "12-25 sms US");
    await check(page, "settings-account");
  });

  await step("operations", async () => {
    await page.getByRole("link", { name: "Operations" }).click();
    await page.getByRole("img", { name: /^Lateness of hand-overs/ }).waitFor();
    await page.getByRole("button", { name: /^Pause \+12125550100/ }).click();
    await page.getByRole("status").getByText(/^Paused/).waitFor();
    await page.getByText("As a table").first().click();
    await check(page, "ops");
    await page.getByRole("button", { name: /^Resume \+12125550100/ }).click();
    await page.getByRole("status").getByText("Resumed.").waitFor();
    await page.getByLabel(/^Units from \+12125550100/).fill("5");
    await page.getByRole("button", { name: /^Set rate of \+12125550100/ }).click();
    await page.getByRole("status").getByText("The limit is set.").waitFor();
  });

  await step("what a user may not", async () => {
    const other = await browser.newContext();
    other.setDefaultTimeout(20_000);
    const their = await other.newPage();
    await their.goto(base);
    await their.getByLabel("Email").fill("sam@example.org");
    await their.getByLabel("Password").fill(password);
    await their.getByRole("button", { name: "Sign in" }).click();
    await their.getByRole("link", { name: "Settings" }).click();
    assert.equal(await their.getByRole("link", { name: "Operations" }).count(), 0);
    assert.equal(await their.getByRole("navigation", { name: "Settings" }).getByRole("link").count(), 1);
    const csrf = await their.locator("[name=csrf]").first().inputValue();
    const lists = ["account", "senders", "templates", "users", "keys", "webhooks"].map((name) => `/settings/${name}`);
    for (const path of ["/ops", ...lists]) assert.equal((await their.goto(base + path)).status(), 403, path);
    for (const path of ["/ops/drain", ...lists]) {
      const post = { form: { csrf, do: "drain" }, headers: { "Sec-Fetch-Site": "same-origin" }, maxRedirects: 0 };
      assert.equal((await other.request.post(base + path, post)).status(), 403, path);
    }
    await other.close();
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
    await bare.goto(`${base}/contacts/import`);
    await bare.getByLabel("Rows").fill("name,email\nXena,xena@example.com\nNo,nowhere");
    await bare.getByRole("button", { name: "Check rows" }).click();
    await bare.getByText("1 row can be imported, 1 row is refused.").waitFor();
    await bare.getByRole("button", { name: "Import contacts" }).click();
    await bare.getByText("1 created, 0 updated, 1 row is refused.").waitFor();
    await bare.goto(base);
    await bare.getByLabel("Search").fill("lena");
    await bare.keyboard.press("Enter");
    await bare.getByRole("link", { name: /^Lena Fischer/ }).click();
    await bare.getByLabel("Template").selectOption("Reminder <b>");
    await bare.getByRole("button", { name: "Use" }).click();
    await bare.getByRole("region", { name: "Preview" }).getByText("Hi Lena Fischer, see you tomorrow").waitFor();
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

// What pages do beyond what the server and htmx do: the browser's zone, live updates, keys, and the composer's
// choices. Every page can be used without it.
"use strict";

(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `sendwheel_zone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  }

  document.documentElement.classList.add("scripted");

  // Many events in a row make one reading.
  const current = document.body.dataset.contact;
  let waiting = null;
  let isOurs = false;
  const refresh = () => {
    waiting = null;
    document.body.dispatchEvent(new CustomEvent("refresh"));
    if (isOurs) document.body.dispatchEvent(new CustomEvent("refresh-thread"));
    isOurs = false;
  };
  const happened = (event) => {
    try {
      isOurs ||= JSON.parse(event.detail.data).contact_id === current;
    } catch {
      isOurs = true;
    }
    waiting ??= setTimeout(refresh, 300);
  };
  const live = document.getElementById("live");
  for (const name of ["message.created", "message.updated", "contact.created", "contact.updated", "contact.deleted"]) {
    live?.addEventListener(name, happened);
  }
  const all = () => {
    isOurs = true;
    waiting ??= setTimeout(refresh, 300);
  };
  live?.addEventListener("reset", all);
  // What was under way when the page was made may be over before it listens; a later connection may have missed more.
  let isFirst = true;
  live?.addEventListener("htmx:sse:after:connection", () => {
    if (!isFirst || document.querySelector("#timeline .state.wait")) all();
    isFirst = false;
  });

  // Of senders and addresses only those of the chosen channel.
  const channels = document.querySelectorAll(".channels input");
  const lists = ["from", "to", "template"].map((id) => document.getElementById(id)).filter((list) => list?.options);
  const options = new Map(lists.map((list) => [list, [...list.options]]));
  const choose = (isFirst) => {
    const channel = [...channels].find((one) => one.checked)?.value;
    for (const [list, choices] of options) {
      const fitting = choices.filter((option) => [channel, undefined].includes(option.dataset.channel));
      const wanted =
        (isFirst && fitting.find((option) => option.selected)) || fitting.find((option) => "default" in option.dataset) || fitting[0];
      list.replaceChildren(...fitting);
      if (wanted) list.value = wanted.value;
    }
  };
  if (channels.length) choose(true);
  for (const one of channels) one.addEventListener("change", () => choose(false));

  // Marks around what is chosen in the message.
  const marked = (mark, text) => {
    if (mark === "link") return [`[${text || "text"}](`, "https://", ")"];
    if (mark === "list") return ["", (text || "item").split("\n").map((line) => `- ${line}`).join("\n"), ""];
    return [mark, text || "text", mark];
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-mark]");
    if (!button) return;
    const message = document.getElementById("message");
    const { selectionStart: from, selectionEnd: to, value } = message;
    const [before, inside, after] = marked(button.dataset.mark, value.slice(from, to));
    message.setRangeText(before + inside + after, from, to);
    message.focus();
    message.setSelectionRange(from + before.length, from + before.length + inside.length);
  });
  // What an email comes to is not asked: its files would go along.
  document.addEventListener("htmx:config:request", (event) => {
    const isEmail = [...channels].find((one) => one.checked)?.value === "email";
    if (event.target.id === "message" && isEmail) event.preventDefault();
  });
  // A template stands in the composer: one goes on with it.
  document.addEventListener("htmx:after:swap", () => {
    const written = document.getElementById("written");
    if (!written || written === filled) return;
    filled = written;
    document.getElementById("message").dispatchEvent(new Event("input", { bubbles: true }));
  });
  let filled = document.getElementById("written");

  for (const preset of document.querySelectorAll(".presets button")) {
    preset.addEventListener("click", () => {
      document.getElementById("date").value = preset.dataset.date;
      const time = document.getElementById("time");
      document.getElementById("smart").checked = false;
      time.value = preset.dataset.time;
      time.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }

  // One box for all of them.
  for (const all of document.querySelectorAll("[data-all]")) {
    all.closest("label").hidden = false;
    all.addEventListener("change", () => {
      for (const box of all.form.querySelectorAll(`[name=${all.dataset.all}]`)) box.checked = all.checked;
    });
  }

  // Browsers press a form's first button, whatever that does: here Enter presses the button of what is being filled in.
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest?.("input[type=date], input[type=time], input[type=checkbox]");
    if (event.key !== "Enter" || !field?.form?.querySelector("[name=do]")) return;
    event.preventDefault();
    if (field.type !== "checkbox") (field.closest("[popover]") ?? field.form).querySelector(".primary[name=do]")?.click();
  });

  const move = (step) => {
    const rows = [...document.querySelectorAll(".row")];
    let at = rows.indexOf(document.activeElement);
    if (at < 0) at = rows.findIndex((row) => row.ariaCurrent === "page");
    const next = at < 0 ? rows.at(step > 0 ? 0 : -1) : rows[at + step];
    next?.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]")) {
      // A dialog that closes gives the focus back itself.
      if (event.key === "Escape" && !event.target.closest("[popover]")) event.target.blur();
      return;
    }
    const field = { "/": "search", c: "message" }[event.key];
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (field && document.getElementById(field)) document.getElementById(field).focus();
    else return;
    event.preventDefault();
  });
})();

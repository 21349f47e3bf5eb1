// What pages do beyond what the server and htmx do: the browser's zone, live updates, keys, and the composer's
// choices. Every page can be used without it.
"use strict";

(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `sendwheel_zone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  }

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
  live?.addEventListener("reset", () => {
    isOurs = true;
    waiting ??= setTimeout(refresh, 300);
  });

  // Of senders and addresses only those of the chosen channel.
  const channels = document.querySelectorAll(".channels input");
  const lists = ["from", "to"].map((id) => document.getElementById(id)).filter(Boolean);
  const all = new Map(lists.map((list) => [list, [...list.options]]));
  const choose = (isFirst) => {
    const channel = [...channels].find((one) => one.checked)?.value;
    for (const [list, options] of all) {
      const fitting = options.filter((option) => option.dataset.channel === channel);
      const wanted = (isFirst && fitting.find((option) => option.selected)) || fitting.find((option) => "default" in option.dataset);
      list.replaceChildren(...fitting);
      if (wanted) list.value = wanted.value;
    }
  };
  if (channels.length) choose(true);
  for (const one of channels) one.addEventListener("change", () => choose(false));

  for (const presets of document.querySelectorAll(".presets")) presets.hidden = false;
  for (const preset of document.querySelectorAll(".presets button")) {
    preset.addEventListener("click", () => {
      document.getElementById("date").value = preset.dataset.date;
      const time = document.getElementById("time");
      time.value = preset.dataset.time;
      time.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }

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
      if (event.key === "Escape") event.target.blur();
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

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

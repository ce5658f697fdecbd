// Reload the page's data at an interval, and replace the sections that changed. The pages also work without JavaScript.
"use strict";

const TIMEOUT = 8000;
const main = document.querySelector("main");
const asOf = document.getElementById("as-of");
const age = document.getElementById("age");
const offline = document.getElementById("offline");
let loadedAt = Date.now();

function replaceSections(page) {
  for (const section of document.querySelectorAll("[data-swap]")) {
    const fresh = page.getElementById(section.id);
    const inUse = section.contains(document.activeElement) || section.querySelector("details[open]");
    if (fresh && !inUse && !section.isEqualNode(fresh)) {
      section.className = fresh.className;
      section.replaceChildren(...fresh.childNodes);
    }
  }
  const time = page.querySelector("#as-of time");
  if (time) asOf.querySelector("time").replaceWith(time);
  main.dataset.interval = page.querySelector("main").dataset.interval;
}

async function reload() {
  if (!document.hidden) {
    try {
      const response = await fetch(location.href, { credentials: "same-origin", signal: AbortSignal.timeout(TIMEOUT) });
      if (!response.ok) throw new Error(`status ${response.status}`);
      replaceSections(new DOMParser().parseFromString(await response.text(), "text/html"));
      loadedAt = Date.now();
      offline.hidden = true;
    } catch (error) {
      const status = /^status /.test(error.message) ? ` (${error.message})` : "";
      offline.textContent = `The server does not respond${status}. This page shows its figures as of ${asOf.querySelector("time").textContent}.`;
      offline.hidden = false;
    }
    showAge();
  }
  schedule();
}

function showAge() {
  const seconds = Math.round((Date.now() - loadedAt) / 1000);
  age.textContent = seconds < 2 ? "" : `, ${seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`} ago`;
}

function schedule() {
  const interval = Number(main.dataset.interval);
  if (interval > 0) setTimeout(reload, interval * 1000);
}

setInterval(showAge, 1000);
schedule();

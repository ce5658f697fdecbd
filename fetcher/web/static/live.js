// Reload the page's data at an interval, and replace the sections that changed. The pages also work without JavaScript.
"use strict";

const main = document.querySelector("main");

function replaceSections(page) {
  for (const section of document.querySelectorAll("[data-swap]")) {
    const fresh = page.getElementById(section.id);
    const inUse = section.contains(document.activeElement) || section.querySelector("details[open]");
    if (fresh && !inUse && !section.isEqualNode(fresh)) {
      section.className = fresh.className;
      section.replaceChildren(...fresh.childNodes);
    }
  }
  main.dataset.interval = page.querySelector("main").dataset.interval;
}

async function reload() {
  if (!document.hidden) {
    try {
      const response = await fetch(location.href, { credentials: "same-origin" });
      if (response.ok) replaceSections(new DOMParser().parseFromString(await response.text(), "text/html"));
    } catch {
      // The server is unavailable: keep the current content until the next reload.
    }
  }
  schedule();
}

function schedule() {
  const interval = Number(main.dataset.interval);
  if (interval > 0) setTimeout(reload, interval * 1000);
}

schedule();

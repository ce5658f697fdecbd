// Asks for the same page again every few seconds and swaps the sections that have changed. Without it all works, too.
"use strict";

const main = document.querySelector("main");

function swap(page) {
  for (const old of document.querySelectorAll("[data-swap]")) {
    const fresh = page.getElementById(old.id);
    const inUse = old.contains(document.activeElement) || old.querySelector("details[open]");
    if (fresh && !inUse && !old.isEqualNode(fresh)) {
      old.className = fresh.className;
      old.replaceChildren(...fresh.childNodes);
    }
  }
  main.dataset.every = page.querySelector("main").dataset.every;
}

async function again() {
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      if (answer.ok) swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      // The server is away for a moment: what is shown stays.
    }
  }
  later();
}

function later() {
  const every = Number(main.dataset.every);
  if (every > 0) setTimeout(again, every * 1000);
}

later();

// Paper has nothing to click: it shows everything.
addEventListener("beforeprint", () => { for (const part of document.querySelectorAll("details")) part.open = true; });

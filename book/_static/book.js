// Opened from a file, a page may not read the others, so that search shows titles without excerpts there.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Paper is white: print in the light colours, whatever the screen shows.
let onScreen;
addEventListener("beforeprint", () => {
  onScreen = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
addEventListener("afterprint", () => { document.documentElement.dataset.theme = onScreen; });

// "Show code: all / key / none". In "none" the open cells are folded like the others; the choice is kept.
const codeModes = ["all", "key", "none"];
function storedMode() {
  try { return localStorage.getItem("book-code"); } catch { return null; }  // a browser may forbid its use
}
let codeMode = codeModes.includes(storedMode()) ? storedMode() : "key";
document.documentElement.dataset.code = codeMode;

function foldOpenCells() {
  for (const input of document.querySelectorAll(".bd-article div.cell > div.cell_input")) {
    const fold = document.createElement("details");
    fold.className = "hide above-input book-fold";
    fold.innerHTML = '<summary><p class="collapsed admonition-title">Show code cell source</p>'
      + '<p class="expanded admonition-title">Hide code cell source</p></summary>';
    input.replaceWith(fold);
    fold.append(input);
  }
}
function showCode(mode) {
  document.documentElement.dataset.code = codeMode = mode;
  if (mode === "none") foldOpenCells();
  for (const fold of document.querySelectorAll(".bd-article div.cell > details.hide.above-input"))
    fold.open = mode === "all" || (mode === "key" && fold.classList.contains("book-fold"));
}
addEventListener("DOMContentLoaded", () => {
  const choices = document.querySelectorAll(".code-toggle input");
  for (const choice of choices) {
    choice.checked = choice.value === codeMode;
    choice.addEventListener("change", () => {
      const top = choice.getBoundingClientRect().top;
      showCode(choice.value);
      scrollBy(0, choice.getBoundingClientRect().top - top);
      try { localStorage.setItem("book-code", codeMode); } catch { /* not kept then */ }
    });
  }
  if (choices.length && codeMode !== "key") showCode(codeMode);
});

// On a phone a figure is wider than the screen: a button shows it at its drawn size, to be scrolled.
addEventListener("DOMContentLoaded", () => {
  const article = document.querySelector(".bd-article");
  const images = article ? article.querySelectorAll(".cell_output figure img, .cell_output > img") : [];
  if (!images.length) return;
  const dialog = document.createElement("dialog");
  dialog.className = "figure-dialog cell_output";
  dialog.setAttribute("aria-label", "Figure");
  dialog.innerHTML = '<form method="dialog"><button>Close</button></form><div tabindex="0"></div>';
  article.append(dialog);
  for (const image of images) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "enlarge";
    button.textContent = "Enlarge";
    const open = () => {
      const large = image.cloneNode();
      large.loading = "eager";
      dialog.lastChild.replaceChildren(large);
      dialog.showModal();
    };
    button.addEventListener("click", open);
    image.addEventListener("click", () => { if (getComputedStyle(button).display !== "none") open(); });
    image.after(button);
  }
});

// The column of contents follows the reader where it is longer than the window.
addEventListener("DOMContentLoaded", () => {
  const column = document.querySelector(".bd-sidebar-secondary");
  if (!column) return;
  const follow = () => {
    const current = [...column.querySelectorAll("a.active")].pop();
    if (!current) return;
    const box = current.getBoundingClientRect(), frame = column.getBoundingClientRect();
    const bottom = Math.min(frame.bottom, innerHeight);
    if (box.top < frame.top || box.bottom > bottom) column.scrollTop += box.top - (frame.top + bottom) / 2;
  };
  new MutationObserver(follow).observe(column, { subtree: true, attributeFilter: ["class"] });
});

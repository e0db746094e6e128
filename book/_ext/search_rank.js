// Ranks Sphinx's search results: [page, title, anchor, description, score, file]. Names of the API come after prose, and a
// section, indexed as "page#anchor" (search_sections.py), is shown with its page's title and leads to its place.
var Scorer = {
  score: (result) => {
    const [page, anchor] = result[0].split("#");
    const names = Search._index.docnames;
    if (anchor) {
      const title = Search._index.titles[names.indexOf(page)];
      if (!result[1].startsWith(title + " ")) result[1] = title + " › " + result[1].split(" > ").pop();
      result[0] = page;
      result[2] = "#" + anchor;
    }
    if (page.startsWith("book/api/")) return result[4] / 100;
    if (page === "book/glossary" && result[3]) {  // a term; made equal to its section, of which Sphinx then keeps one
      result[1] = Search._index.titles[names.indexOf(page)] + " › " + result[1];
      result[3] = null;
    }
    return page.startsWith("notebooks/") ? result[4] + 1 : result[4];
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

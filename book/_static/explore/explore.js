/* Figures that the reader moves. Each stands in an element with data-explore, which holds the numbers that the notebook
   printed. The mathematics is window.explore, so that it can be tested; without this file the figures stay hidden. */
(() => {
  "use strict";
  if (window.explore) return; // a page names this file once for each of its figures

  // ---------------------------------------------------------------- mathematics

  const sum = (values) => values.reduce((a, b) => a + b, 0);

  /* Four metrics of one list. hits: true or false by place; n: number of relevant films; rules: what precision, recall
     and average precision divide by ("k", "all", "most" or null), and the hits of nDCG's ideal list ("flat": as
     "most", the first two places without a discount). null where the library has no such metric, or nothing is
     relevant. */
  function metrics(hits, n, [byPrecision, byRecall, byAP, ideal]) {
    const k = hits.length;
    const below = { k, all: n, most: Math.min(k, n), flat: Math.min(k, n) };
    const ratio = (value, by) => (n && by ? value / below[by] : null);
    const found = hits.filter(Boolean).length;
    const gain = (place) => 1 / (ideal === "flat" ? Math.max(1, Math.log2(place)) : Math.log2(place + 1));
    const gains = hits.map((_, i) => gain(i + 1));
    const atHits = hits.map((hit, i) => (hit ? hits.slice(0, i + 1).filter(Boolean).length / (i + 1) : 0));
    const dcg = sum(gains.filter((_, i) => hits[i]));
    return [
      ratio(found, byPrecision), ratio(found, byRecall), ratio(sum(atHits), byAP),
      n && ideal ? dcg / sum(gains.slice(0, below[ideal])) : null,
    ];
  }

  /* Pairs of rows that stand in another order by column b than by column a; a tie is no change. */
  function crossings(rows, a, b) {
    return rows.flatMap((one, i) => rows.slice(i + 1)
      .filter((other) => (one[a] - other[a]) * (one[b] - other[b]) < 0)
      .map((other) => [one[0], other[0]]));
  }

  /* Which of the measured values is nearest to the wanted one, by ratio. */
  function nearest(measured, wanted) {
    const far = measured.map((value) => Math.abs(Math.log(value / wanted)));
    return far.indexOf(Math.min(...far));
  }

  /* Rows of a surface that hold the highest value of a column; several where they are equal. */
  function bestRows(values, column) {
    const top = Math.max(...values.map((row) => row[column]));
    return values.flatMap((row, i) => (row[column] === top ? [i] : []));
  }

  // ---------------------------------------------------------------- elements

  function make(tag, attributes = {}, ...children) {
    const svg = /^(svg|line|circle|polyline|rect|text|tspan|g)$/.test(tag);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    });
    element.append(...children);
    return element;
  }

  const status = () => make("p", { class: "explore-status", role: "status" });
  let numbered = 0;

  /* A slider with its label and its value in words. */
  function slider(label, attributes, words, onMove = () => {}) {
    const id = `explore-${++numbered}`;
    const value = make("span", { class: "explore-says", "aria-hidden": "true" });
    const input = make("input", { type: "range", id, ...attributes });
    const show = () => {
      value.textContent = words(Number(input.value));
      input.setAttribute("aria-valuetext", value.textContent);
    };
    input.addEventListener("input", () => { show(); onMove(Number(input.value)); });
    show();
    const set = (number) => { input.value = number; show(); };
    return { input, set, row: make("p", { class: "explore-slider" }, make("label", { for: id }, label), input, value) };
  }

  /* Buttons of which one at most is pressed. */
  function choice(label, names, pressed, onChoose) {
    const press = (name) => buttons.forEach((b) => b.setAttribute("aria-pressed", b.textContent === name));
    const buttons = names.map((name) =>
      make("button", { type: "button", onclick: () => press(onChoose(name)) }, name));
    press(pressed);
    return make("div", { class: "explore-choice", role: "group", "aria-label": label }, make("span", {}, label), ...buttons);
  }

  // ---------------------------------------------------------------- five films

  function films(box, data) {
    const heads = ["precision", "recall", "AP", "nDCG"];
    let order, missed, before;
    const list = make("ol", { class: "explore-list" });
    const body = make("tbody");
    const live = status();
    const table = make("table", {}, make("thead", {}, make("tr", {},
      ...["library", ...heads].map((head) => make("th", { scope: "col" }, head)))), body);
    const more = slider("Relevant films that the list misses", { min: 0, max: 10, value: data.missed }, String,
      (value) => { missed = value; update(`The list misses ${value}.`); });

    const place = (film) => order.indexOf(film);
    function move(film, to) {
      if (to < 0 || to >= order.length || to === place(film)) return;
      order.splice(place(film), 1);
      order.splice(to, 0, film);
      const focused = document.activeElement;
      // The film itself stays where it is in the document, so that a pointer holding it is not lost
      order.slice(0, to).forEach((other) => film.row.before(other.row));
      order.slice(to + 1).reverse().forEach((other) => film.row.after(other.row));
      if (list.contains(focused)) focused.focus();
      update(`${film.name} at place ${to + 1}.`);
    }
    function drag(film, y) {
      const middles = order.map((other) => other.row.getBoundingClientRect()).map((r) => (r.top + r.bottom) / 2);
      const above = middles.findIndex((middle, i) => i < place(film) && y < middle);
      const below = middles.filter((middle, i) => i > place(film) && y > middle).length;
      move(film, above >= 0 ? above : place(film) + below);
    }
    function addRow(film) {
      const button = (label, sign, step) => make("button", {
        type: "button", "aria-label": `Move ${film.name} ${label}`, onclick: () => move(film, place(film) + step),
      }, sign);
      film.relevant = make("button", {
        type: "button", class: "explore-hit", "aria-label": `${film.name} is relevant`, onclick: () => {
          film.hit = !film.hit;
          update(`${film.name} is ${film.hit ? "" : "not "}relevant.`);
        },
      }, "relevant");
      const handle = make("span", { class: "explore-handle", "aria-hidden": "true" }, "⠿");
      const held = () => film.row.classList.contains("explore-dragged");
      const drop = () => film.row.classList.remove("explore-dragged");
      film.row = make("li", {
        onkeydown: (event) => {
          const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
          if (step) { event.preventDefault(); move(film, place(film) + step); }
        },
        onpointerdown: (event) => {
          if (event.target.closest("button") || event.button) return;
          if (event.pointerType !== "mouse" && event.target !== handle) return; // a finger elsewhere scrolls
          event.preventDefault();
          film.row.setPointerCapture(event.pointerId);
          film.row.classList.add("explore-dragged");
        },
        onpointermove: (event) => { if (held()) drag(film, event.clientY); },
        onpointerup: drop,
        onpointercancel: drop,
      }, handle, make("span", { class: "explore-name" }, film.name), film.relevant,
      button("up", "↑", -1), button("down", "↓", 1));
      return film.row;
    }
    function tell(news, shown) {
      const ours = data.rules.length - 1; // the book's own definitions end the table
      const moved = heads.map((_, j) => before[ours][j] !== shown[ours][j]);
      const values = heads.map((head, j) => `${head} ${before[ours][j]} → ${shown[ours][j]}`).filter((_, j) => moved[j]);
      live.textContent = `${news} By this book’s definitions: ${values.join(", ") || "nothing changes"}.`
        + (values.length && values.length < 4 ? ` As before: ${heads.filter((_, j) => !moved[j]).join(", ")}.` : "");
    }
    function update(news) {
      const hits = order.map((film) => film.hit);
      const n = hits.filter(Boolean).length + missed;
      order.forEach((film) => film.relevant.setAttribute("aria-pressed", film.hit));
      const shown = data.rules.map(([, ...rules]) =>
        metrics(hits, n, rules).map((value) => (value === null ? "–" : value.toFixed(3))));
      body.replaceChildren(...data.rules.map(([library], i) => make("tr", {}, make("th", { scope: "row" }, library),
        ...shown[i].map((value, j) =>
          make("td", before && before[i][j] !== value ? { class: "explore-changed" } : {}, value)))));
      if (before) tell(news, shown);
      before = shown;
    }
    function start() {
      before = null;
      order = data.films.map((name) => ({ name, hit: data.relevant.includes(name) }));
      list.replaceChildren(...order.map(addRow));
      missed = data.missed;
      more.set(missed);
      update();
      live.textContent = "Drag a film, or use its arrows.";
    }
    start();
    box.append(list, more.row, make("p", {}, make("button", { type: "button", onclick: start }, "Start again")), live,
      make("div", { class: "explore-scroll", tabindex: 0, role: "region", "aria-label": "Four metrics by library" }, table),
      make("p", { class: "explore-note" }, "All at 5, for one user and a full list; how libraries pool users or treat "
        + "short lists does not show here. Every relevant film has the same grade. A dash: no such metric, or it reads "
        + "the whole ranking. In colour: changed by your last move."));
  }

  // ---------------------------------------------------------------- places by protocol

  const VIEWS = {
    "place": (values) => values.map((value) => 1 + values.filter((v) => v > value).length
      + (values.filter((v) => v === value).length - 1) / 2), // ties share a place, as in the chapter's figure
    "share of the best": (values) => values.map((value) => value / Math.max(...values)),
    "nDCG@10": (values) => values,
  };

  function places(box, { protocols, models }) {
    const last = protocols.length;
    let view = "place", chosen = null;
    const figure = make("div", { class: "explore-figure" });
    const live = status();

    function tell() {
      const pairs = crossings(models, 1, last).map((pair) => pair.join(" and "));
      if (!chosen) {
        live.textContent = `From the first to the last column, ${pairs.join("; ") || "no models"} change places.`;
        return;
      }
      const row = models.find(([name]) => name === chosen);
      const partners = crossings(models, 1, last).filter((pair) => pair.includes(chosen))
        .map((pair) => pair.find((name) => name !== chosen)).join(", ") || "no model";
      live.textContent = `${chosen}: ${protocols.map((name, j) => `${row[j + 1].toFixed(3)} (${name})`).join("; ")}. `
        + `From the first to the last column it changes places with ${partners}.`;
    }
    /* Heights of the names: those of their lines, at least 15 pixels apart and not below `end`. */
    function apart(heights, end) {
      const at = [...heights];
      const down = heights.map((_, i) => i).sort((a, b) => heights[a] - heights[b] || a - b);
      down.slice(1).forEach((i, rank) => { at[i] = Math.max(at[i], at[down[rank]] + 15); });
      down.reverse().forEach((i, rank) => { at[i] = Math.min(at[i], rank ? at[down[rank - 1]] - 15 : end); });
      return at;
    }
    function draw() {
      const width = Math.max(270, figure.clientWidth), height = 270, left = 96, right = 48, top = 18, bottom = 44;
      const columns = protocols.map((_, j) => VIEWS[view](models.map((row) => row[j + 1])));
      const low = Math.min(...columns.flat()), high = Math.max(...columns.flat());
      const x = (j) => left + (j * (width - left - right)) / (last - 1);
      const y = (value) => {
        const share = (value - low) / (high - low);
        return top + (height - top - bottom) * (view === "place" ? share : 1 - share);
      };
      const at = apart(columns[0].map(y), height - bottom);
      const digits = { "place": 0, "share of the best": 2, "nDCG@10": 3 }[view];
      const number = (value) => (Number.isInteger(value) && !digits ? String(value) : value.toFixed(digits || 1));
      const lines = models.map(([name], i) => {
        const points = columns.map((column, j) => [x(j), y(column[i])]);
        const values = name === chosen ? points.map(([cx, cy], j) =>
          make("text", { x: cx + 8, y: cy - 7 }, number(columns[j][i]))) : [];
        return make("g", { class: name === chosen ? "explore-on" : chosen ? "explore-off" : "" },
          make("polyline", { points: points.join(" ") }),
          ...points.map(([cx, cy]) => make("circle", { cx, cy, r: 4 })),
          make("text", { x: left - 12, y: at[i] + 4, "text-anchor": "end" }, name), ...values);
      });
      lines.sort((a, b) => a.classList.contains("explore-on") - b.classList.contains("explore-on"));
      const names = protocols.map((name, j) => make("text", { y: height - bottom + 26, "text-anchor": "middle" },
        ...name.split(", ").map((part, i) => make("tspan", { x: x(j), dy: i ? 15 : 0 }, part))));
      figure.replaceChildren(make("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
        "aria-label": `${view} of ${models.length} models by ${last} protocols; the sentence below says what crosses` },
      ...names, ...lines));
    }
    const redraw = () => { draw(); tell(); };
    box.append(
      choice("Show", Object.keys(VIEWS), view, (name) => { view = name; redraw(); return view; }),
      choice("Follow", models.map(([name]) => name), null, (name) => {
        chosen = chosen === name ? null : name;
        redraw();
        return chosen;
      }),
      figure, live, make("p", { class: "explore-note" },
        "Drawn from the table above, three decimals: models that are equal there share a place."));
    redraw();
    new ResizeObserver(draw).observe(box);
  }

  // ---------------------------------------------------------------- alpha and lambda

  function surface(box, { penalties, readings }) {
    const names = Object.keys(readings);
    const all = names.flatMap((name) => readings[name].values.flat());
    const low = Math.min(...all), high = Math.max(...all); // one scale, so that readings can be compared
    let name = names[0];
    let wanted = readings[name].alphas.at(-1), j = 0; // a small fixed penalty and a large alpha, as the popular recipe
    const row = () => nearest(readings[name].alphas, wanted);
    const figure = make("div", { class: "explore-figure" });
    const live = status();
    const alpha = slider("Confidence α", { min: 0, max: readings[name].alphas.length - 1, value: row() },
      (i) => String(readings[name].alphas[i]), (i) => pick(i, j));
    const lambda = slider("Penalty λ", { min: 0, max: penalties.length - 1, value: j },
      (column) => String(penalties[column]), (column) => pick(row(), column));

    function pick(i, column) {
      wanted = readings[name].alphas[i];
      j = column;
      update();
    }
    function tell() {
      const { alphas, values, best } = readings[name];
      const i = row(), rows = bestRows(values, j), top = values[rows[0]][j], peak = values[best[0]][best[1]];
      live.textContent = `${name}, α = ${alphas[i]}, λ = ${penalties[j]}: nDCG@10 ${values[i][j].toFixed(3)}. `
        + `Where λ is fixed at ${penalties[j]}, the best α is ${rows.map((r) => alphas[r]).join(" or ")}, `
        + `with ${top.toFixed(3)}: `
        + (j === best[1] ? "the best point of this surface."
          : `${(peak - top).toFixed(3)} below the best point, α = ${alphas[best[0]]}, λ = ${penalties[best[1]]}, `
            + `with ${peak.toFixed(3)}.`);
    }
    function draw() {
      const { alphas, values, best } = readings[name];
      const width = Math.min(480, Math.max(270, figure.clientWidth)), left = 58, top = 4, tall = 38, bottom = 44;
      const wide = (width - left - 4) / penalties.length, end = top + tall * alphas.length;
      const x = (column) => left + wide * column, y = (i) => end - tall * (i + 1);
      const frame = (kind, i, column) => make("rect", { class: kind, x: x(column) + 2, y: y(i) + 2, width: wide - 4,
        height: tall - 4 });
      const cells = values.flatMap((line, i) => line.map((value, column) => make("g", {
        class: "explore-cell", onclick: () => pick(i, column),
      },
      make("rect", { x: x(column), y: y(i), width: wide, height: tall,
        style: `--share: ${((value - low) / (high - low)).toFixed(3)}` }),
      make("text", { x: x(column) + wide / 2, y: y(i) + tall / 2 + 6, "text-anchor": "middle" }, value.toFixed(3)))));
      const labels = [
        ...alphas.map((value, i) => make("text", { x: left - 8, y: y(i) + tall / 2 + 5, "text-anchor": "end" }, value)),
        ...penalties.map((value, column) =>
          make("text", { x: x(column) + wide / 2, y: end + 18, "text-anchor": "middle" }, value)),
        make("text", { x: 2, y: (top + end) / 2 + 5 }, "α"),
        make("text", { x: left + (wide * penalties.length) / 2, y: end + 38, "text-anchor": "middle" }, "penalty λ"),
      ];
      const star = make("text", { class: "explore-best", x: x(best[1]) + wide - 5, y: y(best[0]) + 14,
        "text-anchor": "end" }, "★");
      figure.replaceChildren(make("svg", { viewBox: `0 0 ${width} ${end + bottom}`, width, height: end + bottom,
        role: "img", "aria-label": `nDCG@10 by α, upwards, and λ, to the right, counts read as ${name}; `
          + "the sentence below tells the chosen pair" },
      ...cells, ...labels, ...bestRows(values, j).map((i) => frame("explore-column", i, j)),
      frame("explore-chosen", row(), j), star));
    }
    function update() {
      alpha.input.max = readings[name].alphas.length - 1;
      alpha.set(row());
      lambda.set(j);
      draw();
      tell();
    }
    box.append(
      choice("Counts read as", names, name, (chosen) => { name = chosen; update(); return name; }),
      alpha.row, lambda.row, figure, live, make("p", { class: "explore-note" },
        "From the table above: only measured pairs, three decimals, and costs are differences of these. ★ best pair of "
        + "this reading; thick frame: yours; dashed frame: best α at your λ. A click picks a pair. The colours mean the "
        + "same in the three readings; a change of reading keeps your α, or takes the nearest measured one."));
    update();
    new ResizeObserver(draw).observe(box);
  }

  // ---------------------------------------------------------------- guess first

  function guess(box, { answer, low, high, step, unit }) {
    const words = (value) => `${value}${unit === "%" || !unit ? unit : ` ${unit}`}`;
    const live = status();
    const bar = slider("Your guess", { min: low, max: high, step, value: (low + high) / 2 }, words);
    // The output that holds the answer keeps its room and waits
    const veiled = [...document.querySelectorAll(".cell_output")].find((output) =>
      box.compareDocumentPosition(output) & Node.DOCUMENT_POSITION_FOLLOWING && output.textContent.includes(answer));
    if (veiled) veiled.classList.add("explore-veiled");

    function mark(value, y, text, name) {
      const share = (value - low) / (high - low), at = `${100 * share}%`;
      const anchor = share > 0.75 ? "end" : share < 0.25 ? "start" : "middle";
      return make("g", { class: name }, make("line", { x1: at, x2: at, y1: 22, y2: 38 }),
        make("text", { x: at, y, "text-anchor": anchor }, text));
    }
    function show(guessed) {
      if (veiled) veiled.classList.remove("explore-veiled");
      const marks = [mark(Number(answer), 54, `computed: ${words(answer)}`, "explore-on")];
      if (guessed !== null) marks.push(mark(guessed, 15, `your guess: ${words(guessed)}`, "explore-mine"));
      bar.row.replaceWith(make("svg", { width: "100%", height: 60, "aria-hidden": "true" },
        make("line", { x1: 0, x2: "100%", y1: 30, y2: 30 }), ...marks));
      buttons.remove();
      live.textContent = (guessed === null ? "" : `You guessed ${words(guessed)}. `) + `Computed below: ${words(answer)}.`;
      live.tabIndex = -1; // the buttons are gone: the reader goes on from here
      live.focus({ preventScroll: true });
    }
    const buttons = make("p", { class: "explore-choice" },
      make("button", { type: "button", onclick: () => show(Number(bar.input.value)) }, "That is my guess"),
      make("button", { type: "button", onclick: () => show(null) }, "Show me"));
    box.append(bar.row, buttons, live);
  }

  const kinds = { films, places, guess, surface };
  window.explore = { metrics, crossings, nearest, bestRows };
  document.querySelectorAll("[data-explore]").forEach((box) => {
    const kind = Object.keys(kinds).find((name) => box.classList.contains(`explore-${name}`));
    box.hidden = false;
    kinds[kind](box, JSON.parse(box.dataset.explore));
  });
})();

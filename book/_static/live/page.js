// The live recommender on the page: reads likes and knobs, asks maths.js, shows the list and the map. State is kept in
// the address behind "#", which no browser sends anywhere.

(() => {
  const root = document.querySelector(".live"), $ = selector => root.querySelector(selector);
  const full = root.classList.contains("live-full");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const CELLS = 7, SHOWN = 10, OPTIONS = 8, CAUSES = 3;

  let model, all, names, words, rank;          // the file; its vectors; titles without and with other names; row → fame
  const films = new Map();                     // what the reader likes: id → stars, 0 for "not for me"
  const KNOBS = { taste: 0, alpha: 0, regularization: 0, factors: 0, angle: 0 };
  const RANGES = { taste: [-1, 1], alpha: [-3, 3], regularization: [-3, 3], factors: [0, 99], angle: [0, 0] };
  const knobs = { ...KNOBS };                  // alpha and regularization in powers of two of the tuned value
  let row = new Map(), kept, plain, shown = [], you = null;

  // ------------------------------------------------------------------ the model

  const plainText = text => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();

  // The model's file is a script, as a page opened from a folder may read no other kind; it is read once it is needed.
  let loading;
  function ready() {
    loading ??= new Promise(done => {
      const script = document.createElement("script");
      script.src = root.dataset.model;
      script.onload = done;
      document.head.append(script);
    }).then(() => {
      model = LIVE_MODEL;
      all = Live.vectorsOf(model);
      names = model.titles.map(title => {
        const [, name, , year] = title.match(/^(.*?)( \(.*\))? \((\d{4})\)$/) ?? [, title, , ""];
        return { name, year };
      });
      words = model.titles.map(plainText);
      rank = new Map(model.popularity.map((film, place) => [film, place]));
      row = new Map(model.ids.map((id, film) => [id, film]));
      KNOBS.factors = all.f;
      knobs.factors = Math.min(knobs.factors || all.f, all.f);
    });
    return loading;
  }

  // ------------------------------------------------------------------ the state and its address

  function readAddress() {
    if (!location.hash.startsWith("#films=")) return false;
    const given = new URLSearchParams(location.hash.slice(1));
    films.clear();
    for (const part of given.get("films").split(",").filter(Boolean)) {
      const [id, stars = "5"] = part.split(":");
      if (+stars >= 0 && +stars <= 5) films.set(+id, +stars);
    }
    for (const name in KNOBS) {
      const [low, high] = RANGES[name];
      knobs[name] = Math.min(high, Math.max(low, +given.get(name) || 0)) || KNOBS[name];
    }
    return true;
  }

  function writeAddress() {
    const list = [...films].map(([id, stars]) => (stars === 5 ? id : `${id}:${stars}`)).join(",");
    const turned = Object.keys(KNOBS).filter(name => name !== "angle" && knobs[name] !== KNOBS[name]);
    const knobsPart = turned.map(name => `&${name}=${knobs[name]}`).join("");
    const hash = list || knobsPart ? `#films=${list}${knobsPart}` : "";
    if (hash !== location.hash) window.history.replaceState(null, "", location.href.split("#")[0] + hash);
    const more = $(".live-more a");
    if (more) more.hash = hash;
  }

  // ------------------------------------------------------------------ one update

  const settings = () => ({
    ...model.settings,
    alpha: model.settings.alpha * 2 ** knobs.alpha,
    regularization: model.settings.regularization * 2 ** knobs.regularization,
  });

  // The vectors change with their number and the angle only; likes use them again.
  let made = "";
  function vectors() {
    const [a, b] = axes(), turn = b < knobs.factors ? knobs.angle : 0, key = [knobs.factors, turn, a].join();
    if (key !== made) {
      made = key;
      plain = knobs.factors < all.f ? Live.keep(all, knobs.factors) : all;
      kept = turn ? Live.rotate(plain, a, b, turn * Math.PI / 180) : plain;
    }
    return kept;
  }

  // The average user, in the axes that the vectors are turned to.
  function average(turned) {
    const u = Float64Array.from(model.average.slice(0, knobs.factors));
    return turned ? Live.rotate(Live.table(u, u.length), ...axes(), knobs.angle * Math.PI / 180).vectors : u;
  }

  const history = () => [...films].filter(([id]) => row.has(id)).map(([id, stars]) => [row.get(id), stars]);

  function recommend() {
    const began = performance.now(), y = vectors(), mine = history(), u = average(y !== plain);
    const folded = Live.foldIn(y, mine, settings());
    const x = Live.without(folded.x, u, knobs.taste), scores = Live.scores(y, x);
    const found = Live.best(scores, SHOWN, new Set(mine.map(([film]) => film)));
    const list = found.map(film => ({
      film, score: scores[film],
      // To take u's part out of x or out of the film's vector is the same for their product.
      causes: Live.contributions(y, folded, Live.without(y.vectors.subarray(film * y.f, (film + 1) * y.f), u, knobs.taste)),
    }));
    return { x, scores, list, liked: folded.films.length, time: performance.now() - began };
  }

  async function update(said = "") {
    await ready();
    const result = recommend(), any = result.liked > 0;
    shown = any ? result.list : [];
    showTiles();
    showMine();
    showList(any);
    writeAddress();
    document.documentElement.classList.remove("live-linked");
    $(".live-empty").hidden = any;
    $(".live-status").textContent = [said, any && `First on your list: ${names[shown[0].film].name}.`].filter(Boolean).join(" ");
    strip($(".live-you"), any ? result.x : new Float64Array(CELLS), Math.max(...result.x.map(Math.abs)));
    if (full) {
      showKnobs(result);
      moveTo(any ? result.x : null);
    }
  }

  function like(film, stars) {
    const id = model.ids[film], { name } = names[film];
    if (stars === null) films.delete(id);
    else films.set(id, stars);
    return update(stars === null ? `${name} is off your films.` : stars ? `${name} is among your films.` : `${name} will not come back.`);
  }

  // ------------------------------------------------------------------ what is shown

  const make = (tag, attributes = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.append(...children);
    return element;
  };
  const titled = film => [names[film].name, " ", make("span", { className: "live-year", textContent: names[film].year })];
  const button = (text, label, act) => {
    const element = make("button", { type: "button", textContent: text, onclick: act });
    element.setAttribute("aria-label", label);
    element.title = label;
    return element;
  };

  // The first numbers of a vector as shades: one colour above zero, the other below.
  function strip(element, vector, largest) {
    element.replaceChildren(...Array.from(vector.slice(0, CELLS), value => {
      const cell = make("i", { className: value < 0 ? "live-minus" : "" });
      cell.style.opacity = 0.1 + 0.9 * Math.min(1, Math.abs(value) / (largest || 1));
      return cell;
    }));
    return element;
  }

  function showTiles() {
    for (const tile of root.querySelectorAll(".live-tile"))
      tile.setAttribute("aria-pressed", (films.get(+tile.dataset.id) ?? 0) > 0);
  }

  function showMine() {
    const mine = history();
    $(".live-mine > div").hidden = !mine.length;
    $(".live-mine ul").replaceChildren(...mine.map(([film, stars]) => {
      const { name } = names[film], choice = make("select", { onchange: () => like(film, +choice.value) });
      choice.setAttribute("aria-label", `Stars for ${name}`);
      for (const n of [...new Set([5, 4, 3, 2, 1, 0, stars])].sort((p, q) => q - p))
        choice.append(make("option", { value: n, textContent: n ? "★".repeat(Math.floor(n)) + (n % 1 ? "½" : "") : "not for me", selected: n === stars }));
      return make("li", {}, make("span", {}, ...titled(film)), choice, button("✕", `Take ${name} off`, () => like(film, null)));
    }));
  }

  function reasons(causes) {
    const number = amount => amount.toFixed(3).replace("-", "−");
    const item = ({ row, amount }) => [make("em", { textContent: names[row].name }), ` ${number(amount)}`];
    const first = causes.slice(0, causes.length > CAUSES + 1 ? CAUSES : causes.length), rest = causes.slice(first.length);
    const parts = first.map(item);
    if (rest.length) parts.push([`${rest.length} more ${number(rest.reduce((sum, { amount }) => sum + amount, 0))}`]);
    return ["because of ", ...parts.flatMap((part, i) => (i ? [i === parts.length - 1 ? " and " : ", ", ...part] : part))];
  }

  function showList() {
    const list = $(".live-list"), before = new Map([...list.children].map(item => [item.dataset.film, item.getBoundingClientRect().top]));
    const focused = [...list.querySelectorAll("button")].indexOf(document.activeElement);
    const largest = Math.max(...shown.map(({ score }) => score));
    list.replaceChildren(...shown.map(({ film, score, causes }) => {
      const { name } = names[film], bar = make("span", { className: "live-bar", ariaHidden: "true" });
      for (const { amount } of causes.filter(({ amount }) => amount > 0)) {
        const part = make("i");
        part.style.width = `${100 * amount / Math.max(largest, causes.reduce((sum, c) => sum + Math.max(c.amount, 0), 0))}%`;
        bar.append(part);
      }
      const y = all.vectors.subarray(film * all.f, film * all.f + CELLS), cells = make("span", { className: "live-strip", ariaHidden: "true" });
      const item = make("li", {},
        make("div", { className: "live-head" }, make("span", { className: "live-name" }, ...titled(film)),
          strip(cells, y, Math.max(...y.map(Math.abs))), make("span", { className: "live-score", textContent: score.toFixed(3) })),
        bar,
        make("div", { className: "live-foot" }, make("p", { className: "live-why" }, ...reasons(causes)),
          make("span", { className: "live-acts" }, button("♡", `Like ${name}`, () => like(film, 5)),
            button("✕", `Not for me: ${name}`, () => like(film, 0)))));
      item.dataset.film = film;
      return item;
    }));
    if (focused >= 0) [...list.querySelectorAll("button")].at(Math.min(focused, 2 * shown.length - 1))?.focus({ preventScroll: true });
    if (calm.matches) return;
    for (const item of list.children) {
      const top = before.get(item.dataset.film), moved = top - item.getBoundingClientRect().top;
      if (top === undefined) item.animate({ opacity: [0, 1] }, 200);
      else if (moved) item.animate({ transform: [`translateY(${moved}px)`, "none"] }, { duration: 250, easing: "ease-out" });
    }
  }

  const out = (name, text) => { for (const place of root.querySelectorAll(`[data-out=${name}]`)) place.textContent = text; };

  // 8e-17 as 8 · 10⁻¹⁷
  function powerOfTen(number) {
    const [digit, exponent] = number.toExponential(0).split("e");
    return `${digit} · 10${exponent.replace("+", "").replace("-", "⁻").replace(/\d/g, d => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d])}`;
  }

  function showKnobs({ scores, time }) {
    const now = settings(), [, b] = axes();
    for (const name in KNOBS) $(`#live-${name}`).value = knobs[name];
    out("alpha", +now.alpha.toPrecision(3));
    out("regularization", +now.regularization.toPrecision(3));
    out("factors", knobs.factors);
    out("taste", knobs.taste ? `${Math.round(100 * Math.abs(knobs.taste))}% ${knobs.taste > 0 ? "taste" : "popularity"}` : "as it is");
    out("angle", `${knobs.angle}°`);
    for (const name in KNOBS) $(`#live-${name}`).setAttribute("aria-valuetext", $(`.live-value[data-out=${name}]`).textContent);
    $(".live-time").textContent = `The last list took your machine ${time < 1 ? "less than a millisecond" : `${Math.round(time)} ms`}.`;
    const angle = $("#live-angle");
    angle.disabled = b >= knobs.factors;
    let text = "Turn the axes under the films. Everything moves, you as well. Do the scores?";
    if (angle.disabled) text = `To rotate axis ${b + 1}, keep at least ${b + 1} factors.`;
    else if (kept !== plain) {
      const before = Live.scores(plain, Live.without(Live.foldIn(plain, history(), now).x, average(false), knobs.taste));
      const change = Math.max(...before.map((score, film) => Math.abs(score - scores[film])));
      text = `Every film has moved by ${knobs.angle}°, and no score by more than ${powerOfTen(change)}: ` +
        "only the axes are new. What an axis “means” is ours to choose.";
    }
    $(".live-turned").textContent = text;
  }

  // ------------------------------------------------------------------ likes: tiles, buttons, search

  for (const tile of root.querySelectorAll(".live-tile"))
    tile.onclick = async () => {
      const on = tile.getAttribute("aria-pressed") === "true";
      tile.setAttribute("aria-pressed", !on);
      await ready();
      like(row.get(+tile.dataset.id), on ? null : 5);
    };

  const ACTS = {
    reader: () => { films.clear(); for (const film of model.reader) films.set(model.ids[film], 5); update("Our reader’s favourites are your films now."); },
    clear: () => { films.clear(); Object.assign(knobs, KNOBS); update("All films are off."); },
    reset: () => { Object.assign(knobs, KNOBS); update("The knobs are back."); },
    share: async () => {
      const done = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
      $(".live-status").textContent = done ? "Copied. The link holds your films; nobody else has them." : "The address of this page holds your films: copy it from there.";
    },
  };
  for (const element of root.querySelectorAll("button[data-do]")) element.onclick = () => ready().then(ACTS[element.dataset.do]);

  const search = $("#live-search"), options = $("#live-options");
  let active = -1;

  function matches(text, n) {
    const asked = plainText(text).split(" ").filter(Boolean);
    if (!asked.length) return [];
    const fits = film => asked.every(word => ` ${words[film]}`.includes(` ${word}`));
    const early = film => (plainText(names[film].name).replace(/^(the|an?) /, "").startsWith(asked.join(" ")) ? 0 : 1);
    return model.popularity.filter(fits).sort((p, q) => early(p) - early(q) || rank.get(p) - rank.get(q)).slice(0, n);
  }

  function closeOptions() {
    options.hidden = true;
    search.setAttribute("aria-expanded", "false");
    search.removeAttribute("aria-activedescendant");
    active = -1;
  }

  function pointTo(place) {
    const items = [...options.querySelectorAll("[role=option]")];
    if (!items.length) return;
    active = (place + items.length) % items.length;
    items.forEach((item, i) => item.setAttribute("aria-selected", i === active));
    search.setAttribute("aria-activedescendant", items[active].id);
    items[active].scrollIntoView({ block: "nearest" });
  }

  search.onfocus = ready;
  search.oninput = async () => {
    await ready();
    const found = matches(search.value, OPTIONS);
    options.replaceChildren(...found.map((film, i) => {
      const item = make("li", { id: `live-option-${i}`, role: "option", ariaSelected: "false" }, ...titled(film));
      item.onmousedown = event => { event.preventDefault(); choose(film); };
      item.dataset.film = film;
      return item;
    }));
    closeOptions();
    if (found.length) {
      options.hidden = false;
      search.setAttribute("aria-expanded", "true");
      options.scrollIntoView({ block: "nearest" });
    } else if (search.value.trim()) $(".live-status").textContent = "No film of that name has enough ratings to be in the model.";
  };
  search.onblur = closeOptions;
  search.onkeydown = event => {
    const open = !options.hidden, keys = { ArrowDown: () => pointTo(active + 1), ArrowUp: () => pointTo(active < 0 ? -1 : active - 1), Escape: closeOptions };
    if (event.key === "Enter" && open) choose(+options.children[Math.max(active, 0)].dataset.film);
    else if (open && keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  };
  function choose(film) {
    search.value = "";
    closeOptions();
    like(film, 5);
  }

  // ------------------------------------------------------------------ knobs

  const axes = () => (full ? $("[data-do=axes]").value.split(",").map(Number) : [0, 1]);
  let waiting = 0;
  for (const name of full ? Object.keys(KNOBS) : [])
    $(`#live-${name}`).oninput = event => {
      knobs[name] = +event.target.value;
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(() => update());
    };

  // ------------------------------------------------------------------ the map

  const canvas = $("canvas");
  let target = null, hovered = -1, points = [], move = 0;

  function moveTo(x) {
    const [a, b] = axes(), from = you;
    if (!x) target = null;
    else {
      // A reader's vector has its own length: drawn as long as the longest film's, so that its direction is seen.
      let longest = 0;
      for (let i = 0; i < kept.n; i++) longest = Math.max(longest, Math.hypot(...kept.vectors.subarray(i * kept.f, (i + 1) * kept.f)));
      const scale = longest / Math.hypot(...x);
      target = [(x[a] ?? 0) * scale, (x[b] ?? 0) * scale];
    }
    if (!from || !target || calm.matches) { you = target; return draw(); }
    const began = performance.now(), mine = ++move;
    const step = now => {
      const part = Math.min(1, (now - began) / 300), eased = 1 - (1 - part) ** 3;
      if (!target || mine !== move) return;
      you = from.map((value, i) => value + eased * (target[i] - value));
      draw();
      if (part < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  function draw() {
    if (!model) return;
    const [a, b] = axes(), table = b < kept.f ? kept : all, { vectors: v, n, f } = table;
    const width = canvas.clientWidth, height = canvas.clientHeight, ratio = devicePixelRatio || 1, pen = canvas.getContext("2d");
    if (canvas.width !== Math.round(width * ratio)) { canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const style = getComputedStyle(root), colour = name => style.getPropertyValue(name).trim();
    const ink = colour("--pst-color-text-base"), muted = colour("--pst-color-text-muted"), accent = colour("--pst-color-primary"), paper = colour("--pst-color-background");

    // The window holds all films and the reader, with zero in it; both axes have one scale, so that a turn looks like one.
    let [left, right, low, high] = [0, 0, 0, 0];
    const see = (p, q) => { left = Math.min(left, p); right = Math.max(right, p); low = Math.min(low, q); high = Math.max(high, q); };
    for (let i = 0; i < n; i++) see(v[i * f + a], v[i * f + b]);
    if (target) see(...target);
    const margin = 26, scale = Math.min((width - 2 * margin) / (right - left), (height - 2 * margin) / (high - low));
    const X = p => width / 2 + scale * (p - (left + right) / 2), Y = q => height / 2 - scale * (q - (low + high) / 2);
    points = Array.from({ length: n }, (_, i) => [X(v[i * f + a]), Y(v[i * f + b])]);

    pen.strokeStyle = colour("--pst-color-border");
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(0, Y(0)); pen.lineTo(width, Y(0)); pen.moveTo(X(0), 0); pen.lineTo(X(0), height);
    pen.stroke();
    pen.font = "12px " + (colour("--book-sans") || "sans-serif");
    pen.fillStyle = muted;
    pen.textAlign = "right"; pen.fillText(`axis ${a + 1} →`, width - 6, Math.min(Y(0) + 15, height - 6));
    pen.textAlign = "left"; pen.fillText(`↑ axis ${b + 1}`, Math.min(X(0) + 6, width - 50), 13);

    const dot = (i, radius, fill, alpha = 1) => {
      pen.globalAlpha = alpha; pen.fillStyle = fill;
      pen.beginPath(); pen.arc(...points[i], radius, 0, 7); pen.fill();
      pen.globalAlpha = 1;
    };
    for (let i = 0; i < n; i++) dot(i, 2, muted, 0.38);
    const mine = history().filter(([, stars]) => stars).map(([film]) => film), found = shown.map(({ film }) => film);
    const marked = matches($("[data-do=mark]").value, 5);
    for (const i of found) dot(i, 4, ink);
    for (const i of marked) { dot(i, 5, paper); pen.strokeStyle = ink; pen.lineWidth = 2; pen.stroke(); }
    for (const i of mine) dot(i, 5, accent);

    const taken = [];
    const label = (text, [x, y], fill, bold, must) => {
      pen.font = `${bold ? 600 : 400} 12px ${colour("--book-sans") || "sans-serif"}`;
      const long = pen.measureText(text).width;
      const spots = [[x + 8, y + 4], [x - 8 - long, y + 4], [x - long / 2, y - 9], [x - long / 2, y + 18]];
      const free = ([p, q]) => p > 2 && p + long < width - 2 && q > 12 && q < height - 4 &&
        !taken.some(([l, t, r, d]) => p < r && p + long > l && q - 11 < d && q + 3 > t);
      const spot = spots.find(free) ?? (must ? [Math.max(2, Math.min(spots[2][0], width - long - 2)), Math.max(12, spots[2][1])] : null);
      if (!spot) return;
      taken.push([spot[0] - 3, spot[1] - 12, spot[0] + long + 3, spot[1] + 4]);
      pen.lineWidth = 3; pen.strokeStyle = paper; pen.lineJoin = "round";
      pen.strokeText(text, ...spot);
      pen.fillStyle = fill; pen.fillText(text, ...spot);
    };
    if (you) {
      const at = [X(you[0]), Y(you[1])];
      pen.strokeStyle = accent; pen.lineWidth = 1.5; pen.setLineDash([4, 4]);
      pen.beginPath(); pen.moveTo(X(0), Y(0)); pen.lineTo(...at); pen.stroke(); pen.setLineDash([]);
      pen.fillStyle = paper; pen.strokeStyle = accent; pen.lineWidth = 3;
      pen.beginPath(); pen.arc(...at, 8, 0, 7); pen.fill(); pen.stroke();
      taken.push([at[0] - 10, at[1] - 10, at[0] + 10, at[1] + 10]);
      label("you", [at[0] + 3, at[1]], accent, true, true);
    }
    if (hovered >= 0) { dot(hovered, 5, ink); label(model.titles[hovered], points[hovered], ink, true, true); }
    for (const i of marked) label(names[i].name, points[i], ink, true);
    for (const i of mine) label(names[i].name, points[i], accent, true);
    for (const i of found) label(names[i].name, points[i], ink);
  }

  if (canvas) {
    const near = event => {
      const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
      let found = -1, least = 14;
      points.forEach(([p, q], i) => { const d = Math.hypot(p - x, q - y); if (d < least) [found, least] = [i, d]; });
      return found;
    };
    const point = film => { if (film !== hovered) { hovered = film; draw(); } };
    canvas.onpointermove = event => point(near(event));
    canvas.onpointerleave = () => point(-1);
    canvas.onclick = event => { const film = near(event); if (film >= 0) like(film, films.has(model.ids[film]) ? null : 5); };
    $("[data-do=mark]").oninput = draw;
    $("[data-do=axes]").onchange = () => { knobs.angle = 0; you = null; update(); };
    new ResizeObserver(draw).observe(canvas);
    new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  // ------------------------------------------------------------------ start

  addEventListener("hashchange", () => { if (readAddress()) update(); });
  if (readAddress() || full) update();
})();

// The mathematics of the live recommender: what ImplicitALS.fold_in and explain_for of recsys_utils do, in plain JavaScript.
// A table of vectors is one long array, film after film: number j of film i stands at i * f + j.

const Live = (() => {
  const VALUES = { raw: v => v, binary: () => 1, log: Math.log1p, sqrt: Math.sqrt };

  // The item vectors of a model file: 16-bit integers in base64, column after column, times the unit of the column.
  function vectorsOf(model) {
    const bytes = Uint8Array.from(atob(model.factors), c => c.charCodeAt(0)), numbers = new DataView(bytes.buffer);
    const f = model.units.length, n = model.ids.length, vectors = new Float64Array(n * f);
    for (let j = 0; j < f; j++)
      for (let i = 0; i < n; i++) vectors[i * f + j] = numbers.getInt16(2 * (j * n + i), true) * model.units[j];
    return table(vectors, f);
  }

  // Vectors of length f with their Gram matrix G = Yᵀ Y, the part of the equations that all readers share.
  function table(vectors, f) {
    const n = vectors.length / f, gram = new Float64Array(f * f);
    for (let i = 0; i < n; i++) addOuter(gram, vectors, i * f, f, 1);
    return { vectors, n, f, gram };
  }

  // Only the first k numbers of every vector.
  function keep({ vectors, n, f }, k) {
    const kept = new Float64Array(n * k);
    for (let i = 0; i < n; i++) kept.set(vectors.subarray(i * f, i * f + k), i * k);
    return table(kept, k);
  }

  // All vectors turned by an angle in the plane of axes a and b.
  function rotate({ vectors, n, f }, a, b, angle) {
    const turned = vectors.slice(), cos = Math.cos(angle), sin = Math.sin(angle);
    for (let i = 0; i < n; i++) {
      const p = vectors[i * f + a], q = vectors[i * f + b];
      turned[i * f + a] = cos * p - sin * q;
      turned[i * f + b] = sin * p + cos * q;
    }
    return table(turned, f);
  }

  // The lower triangle of matrix += weight * y yᵀ, where y begins at `start`.
  function addOuter(matrix, vectors, start, f, weight) {
    for (let r = 0; r < f; r++) {
      const scaled = weight * vectors[start + r];
      for (let c = 0; c <= r; c++) matrix[r * f + c] += scaled * vectors[start + c];
    }
  }

  // A = L Lᵀ of a symmetric positive definite matrix, of which the lower triangle is read; L takes its place.
  function cholesky(A, f) {
    for (let c = 0; c < f; c++) {
      for (let r = c; r < f; r++) {
        let sum = A[r * f + c];
        for (let j = 0; j < c; j++) sum -= A[r * f + j] * A[c * f + j];
        A[r * f + c] = r === c ? Math.sqrt(sum) : sum / A[c * f + c];
      }
    }
    return A;
  }

  // Solve L Lᵀ x = b: forwards with L, then backwards with Lᵀ.
  function solve(L, f, b) {
    const x = Float64Array.from(b);
    for (let r = 0; r < f; r++) {
      for (let j = 0; j < r; j++) x[r] -= L[r * f + j] * x[j];
      x[r] /= L[r * f + r];
    }
    for (let r = f - 1; r >= 0; r--) {
      for (let j = r + 1; j < f; j++) x[r] -= L[j * f + r] * x[j];
      x[r] /= L[r * f + r];
    }
    return x;
  }

  // The vector x of a reader with this history, [[row, stars], …], from
  //     (G + Σ dⱼ yⱼ yⱼᵀ + λ I) x = Σ (1 + dⱼ) yⱼ ,   dⱼ = α v(starsⱼ) ,
  // a sum over the reader's own films. A film with 0 stars has been seen and says nothing.
  function foldIn({ vectors, n, f, gram }, history, settings) {
    const { alpha, regularization, values, frequency_exponent, mean_confidence } = settings;
    const films = history.filter(([, stars]) => stars > 0).sort((p, q) => p[0] - q[0])
      .map(([row, stars]) => ({ row, extra: alpha * VALUES[values](stars) }));
    const A = gram.slice(), right = new Float64Array(f);
    let confidence = n;
    for (const { row, extra } of films) {
      addOuter(A, vectors, row * f, f, extra);
      for (let j = 0; j < f; j++) right[j] += (1 + extra) * vectors[row * f + j];
      confidence += extra;
    }
    const penalty = regularization * (confidence / mean_confidence) ** frequency_exponent;
    for (let j = 0; j < f; j++) A[j * f + j] += penalty;
    const L = cholesky(A, f);
    return { x: solve(L, f, right), L, films };
  }

  // x · y of every film.
  function scores({ vectors, n, f }, x) {
    const all = new Float64Array(n);
    for (let i = 0; i < n; i++) all[i] = dot(vectors, i * f, x, f);
    return all;
  }

  // How much each film of the history adds to x · y: (1 + dⱼ) yⱼᵀ A⁻¹ y, the largest first. Together they are x · y.
  function contributions({ vectors, f }, { L, films }, y) {
    const direction = solve(L, f, y);
    return films.map(({ row, extra }) => ({ row, amount: (1 + extra) * dot(vectors, row * f, direction, f) }))
      .sort((p, q) => q.amount - p.amount);
  }

  // v without a share of its part along u: 1 takes all that v has in common with u, -1 doubles it.
  function without(v, u, share) {
    const f = v.length, along = dot(v, 0, u, f) / dot(u, 0, u, f);
    return v.map((value, j) => value - share * along * u[j]);
  }

  function dot(p, start, q, f) {
    let sum = 0;
    for (let j = 0; j < f; j++) sum += p[start + j] * q[j];
    return sum;
  }

  // Rows of the n largest scores, ties in order of row, without those in `seen`.
  function best(all, n, seen) {
    const found = [];
    for (let row = 0; row < all.length; row++) {
      if (seen.has(row) || (found.length === n && all[row] <= all[found[n - 1]])) continue;
      let place = found.length;
      while (place > 0 && all[found[place - 1]] < all[row]) place--;
      found.splice(place, 0, row);
      found.length = Math.min(found.length, n);
    }
    return found;
  }

  return { vectorsOf, table, keep, rotate, foldIn, scores, contributions, without, best };
})();

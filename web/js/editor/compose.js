// The whole prompt of a region from its two levels, as planner/compose.py joins them.

const CJK = /[\u3400-\u9fff]/;

/** @typedef {{high_level: string, low_level: string, instance: string, attributes: string[], phrase: string}} Parts */

/** Regions are never changed in place, so a prompt is joined once. @type {WeakMap<Parts, string>} */
const joined = new WeakMap();

/** @param {Parts} region @returns {string} */
export function promptOf(region) {
  let prompt = joined.get(region);
  if (prompt === undefined) {
    prompt = join(region);
    joined.set(region, prompt);
  }
  return prompt;
}

/** @param {Parts} region */
function join(region) {
  if (region.phrase) return region.phrase;
  const { high_level: high, low_level: low, instance } = region;
  const cjk = CJK.test(high) || CJK.test(low);
  const missing = region.attributes.filter(
    (word) => find(high, word) < 0 && !/^(made |.* of |with )/.test(word),
  );
  let result = high;
  const at = find(high, instance);
  if (missing.length && at >= 0) {
    const inserted = cjk
      ? missing.map((word) => (word.endsWith("的") ? word : `${word}的`)).join("")
      : `${missing.join(" ")} `;
    const before = high.slice(0, at);
    result = (cjk ? before : fitArticle(before, inserted)) + inserted + high.slice(at);
  }
  const rest = low
    .split(/[,，;；、]/)
    .map((part) => part.trim())
    .filter((part) => part && find(result, part) < 0);
  return [result, ...rest].filter(Boolean).join(cjk ? "，" : ", ");
}

/** Where a phrase stands as whole words; -1: nowhere. @param {string} text @param {string} phrase */
function find(text, phrase) {
  if (!phrase) return -1;
  if (CJK.test(phrase)) return text.indexOf(phrase);
  const escaped = phrase.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return text.search(new RegExp(`(?<![\\p{L}\\p{N}_])${escaped}(?![\\p{L}\\p{N}_])`, "iu"));
}

/** @param {string} before @param {string} following */
function fitArticle(before, following) {
  return before.replace(/\b([Aa]n?)(\s+)$/, (_, article, space) => {
    const fitting = articleFor(following);
    return (article[0] === "A" ? fitting[0].toUpperCase() + fitting.slice(1) : fitting) + space;
  });
}

/** @param {string} following */
function articleFor(following) {
  const word = following.trimStart().toLowerCase();
  if (/^(uni|use|usu|eu|one\b|ufo)/.test(word)) return "a";
  if (/^(hour|honest|heir)/.test(word)) return "an";
  return "aeiou".includes(word[0] ?? "-") ? "an" : "a";
}

// Every string that a person reads comes from one of two tables with equal keys.
const tables = {};
let language = localStorage.getItem("language") === "en" ? "en" : "zh";

export const current = () => language;

export async function use(name) {
  if (!tables[name]) tables[name] = await (await fetch(`/static/i18n/${name}.json`)).json();
  language = name;
  localStorage.setItem("language", name);
  document.documentElement.lang = name === "zh" ? "zh-CN" : "en";
  apply(document);
}

export function t(key, values = {}) {
  const text = tables[language]?.[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export const known = (key) => key in (tables[language] ?? {});

export function apply(root) {
  for (const [attribute, target] of [["label", "aria-label"], ["title", "title"], ["placeholder", "placeholder"]])
    for (const node of root.querySelectorAll(`[data-i18n-${attribute}]`))
      node.setAttribute(target, t(node.getAttribute(`data-i18n-${attribute}`)));
  for (const node of root.querySelectorAll("[data-i18n]")) node.textContent = t(node.dataset.i18n);
}

// Names and tooltips of this pack's nodes in the reader's language, where the front end loses them.
//
// A front end that loads its languages one by one (1.32 does) lets its own texts replace those of
// `locales/`: Comfy-Org/ComfyUI_frontend#7214. What it then shows is what the nodes themselves say,
// so the same texts go there. Where nothing was lost, this changes nothing.

/** @typedef {{name?: string, tooltip?: string}} InputTexts */
/** @typedef {{display_name?: string, description?: string, inputs?: Record<string, InputTexts>}} Texts */
/** @typedef {{nodes: Record<string, Texts>, categories: Record<string, string>}} Language */

const PREFIX = "RegionalDiT_";

/** The texts of one language as the server has them. @param {import("./host").HostApi} api @param {string} locale @returns {Promise<Language>} */
export async function loadLanguage(api, locale) {
  const answer = await api.fetchApi("/i18n");
  if (!answer.ok) throw new Error(`The server's translations could not be read: it answered ${answer.status}.`);
  const { nodeDefs = {}, nodeCategories = {} } = (await answer.json())[locale] ?? {};
  return {
    nodes: Object.fromEntries(Object.entries(nodeDefs).filter(([id]) => id.startsWith(PREFIX))),
    categories: nodeCategories,
  };
}

/** Before a node is registered. @param {import("./host").NodeDefinition} definition @param {Language} language */
export function translateDefinition(definition, { nodes, categories }) {
  const texts = nodes[definition.name];
  if (!texts) return;
  definition.display_name = texts.display_name ?? definition.display_name;
  definition.description = texts.description ?? definition.description;
  definition.category = definition.category.split("/").map((part) => categories[part] ?? part).join("/");
  for (const inputs of [definition.input?.required, definition.input?.optional]) {
    for (const [name, spec] of Object.entries(inputs ?? {})) {
      const tooltip = texts.inputs?.[name]?.tooltip;
      if (tooltip) spec[1] = { ...spec[1], tooltip };
    }
  }
}

/** When a node was made. @param {import("./host").HostNode} node @param {Language} language */
export function translateNode(node, { nodes }) {
  const inputs = nodes[node.comfyClass ?? ""]?.inputs;
  if (!inputs) return;
  for (const widget of node.widgets ?? []) widget.label = inputs[widget.name]?.name ?? widget.label;
  for (const input of node.inputs ?? []) input.localized_name = inputs[input.name]?.name ?? input.localized_name;
}

// Styles of the editor. Every rule begins with the class of its own element, so nothing leaks.

export const STYLE = `
.rdit-editor { box-sizing: border-box; display: flex; flex-direction: column; gap: 6px; width: 100%; height: 100%;
  min-height: min-content; min-width: 0; padding: 6px; border-radius: 8px; overflow: hidden; position: relative;
  background: var(--comfy-menu-bg, #353535); color: var(--input-text, #ddd);
  font: 12px/1.35 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; text-align: left; cursor: default; }
.rdit-editor *, .rdit-editor *::before { box-sizing: border-box; }
.rdit-editor .rdit-bar { display: flex; flex-wrap: wrap; gap: 4px; align-items: center; flex: none; }
.rdit-editor .rdit-group { display: flex; flex-wrap: wrap; gap: 1px; padding: 1px; border-radius: 6px;
  background: var(--comfy-input-bg, #222); }
.rdit-editor button { all: unset; box-sizing: border-box; cursor: pointer; display: inline-flex; align-items: center;
  justify-content: center; color: inherit; border-radius: 5px; }
.rdit-editor .rdit-icon { width: 24px; height: 24px; }
.rdit-editor .rdit-icon svg { width: 16px; height: 16px; fill: none; stroke: currentColor; stroke-width: 1.3;
  stroke-linejoin: round; stroke-linecap: round; }
.rdit-editor button:hover { background: color-mix(in srgb, currentColor 16%, transparent); }
.rdit-editor button[aria-pressed="true"] { background: #2a6fc9; color: #fff; }
.rdit-editor button:focus-visible, .rdit-editor select:focus-visible, .rdit-editor textarea:focus-visible,
.rdit-editor input:focus-visible { outline: 2px solid #4a9eff; outline-offset: 0; }
.rdit-editor button:disabled { opacity: 0.35; cursor: default; background: none; }
.rdit-editor .rdit-text-button { padding: 4px 10px; background: #2a6fc9; color: #fff; }
.rdit-editor .rdit-text-button:hover { background: #3880de; }
.rdit-editor select, .rdit-editor textarea, .rdit-editor .rdit-number, .rdit-editor .rdit-text { font: inherit; color: var(--input-text, #ddd);
  background: var(--comfy-input-bg, #222); border: 1px solid var(--border-color, #4e4e4e); border-radius: 5px;
  padding: 3px 5px; margin: 0; }
.rdit-editor select { height: 26px; max-width: 150px; flex: 0 1 auto; min-width: 0; }
.rdit-editor .rdit-stage { position: relative; flex: 1 1 auto; }
.rdit-editor canvas { position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none; display: block;
  border-radius: 6px; background: color-mix(in srgb, var(--comfy-input-bg, #222) 70%, #000); }
.rdit-editor.rdit-light canvas { background: #cfcfd4; }
.rdit-editor .rdit-keys { position: absolute; left: 0; top: 0; width: 1px; height: 1px; opacity: 0; border: 0;
  padding: 0; pointer-events: none; }
.rdit-editor .rdit-stage:has(.rdit-keys:focus-visible) canvas { outline: 2px solid #4a9eff; outline-offset: -2px; }
.rdit-editor .rdit-empty { position: absolute; inset: 0; display: flex; flex-direction: column; gap: 8px;
  align-items: center; justify-content: center; text-align: center; padding: 12px; pointer-events: none; }
.rdit-editor .rdit-empty strong { font-size: 15px; }
.rdit-editor .rdit-empty p { margin: 0; max-width: 320px; }
.rdit-editor .rdit-empty .rdit-card { display: flex; flex-direction: column; gap: 8px; align-items: center;
  padding: 14px 18px; border-radius: 8px; background: var(--comfy-menu-bg, #353535);
  border: 1px solid var(--border-color, #4e4e4e); }
.rdit-editor .rdit-empty .rdit-row { flex-wrap: nowrap; gap: 6px; white-space: nowrap; }
.rdit-editor .rdit-empty button { pointer-events: auto; }
.rdit-editor .rdit-empty .rdit-row button { padding: 4px 8px; background: var(--comfy-input-bg, #222); }
.rdit-editor .rdit-brush { position: absolute; left: 8px; bottom: 8px; padding: 3px 8px; border-radius: 6px;
  background: color-mix(in srgb, var(--comfy-menu-bg, #353535) 85%, transparent); }
.rdit-editor .rdit-status { flex: none; min-height: 17px; color: var(--descrip-text, #999); white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; }
.rdit-editor .rdit-status.rdit-warn { color: #e8a33d; white-space: normal; max-height: 68px; overflow: auto; overflow-wrap: anywhere; }
.rdit-editor.rdit-light .rdit-status.rdit-warn { color: #8a5200; }
.rdit-editor .rdit-tabs { display: flex; flex-wrap: wrap; gap: 3px; flex: none; min-height: 22px; max-height: 52px; overflow-y: auto; }
.rdit-editor .rdit-tab { min-width: 24px; height: 22px; padding: 0 6px; font-weight: 600; color: #151515;
  border: 2px solid transparent; }
.rdit-editor .rdit-tab.rdit-whole { white-space: nowrap; background: var(--comfy-input-bg, #222); color: inherit; font-weight: 400; }
.rdit-editor .rdit-tab:hover { filter: brightness(1.12); }
.rdit-editor .rdit-tab[aria-selected="true"] { border-color: var(--input-text, #fff); }
.rdit-editor .rdit-panels { display: grid; flex: none; }
.rdit-editor .rdit-panel { display: flex; flex-direction: column; gap: 5px; grid-area: 1 / 1; min-width: 0; }
.rdit-editor .rdit-tabs[hidden], .rdit-editor .rdit-panel[hidden] { visibility: hidden; }
.rdit-editor .rdit-empty[hidden], .rdit-editor .rdit-pop[hidden] { display: none; }
.rdit-editor textarea { width: 100%; height: 50px; resize: none; display: block; }
.rdit-editor textarea.rdit-short { height: 36px; }
.rdit-editor .rdit-texts { display: flex; gap: 5px; flex-wrap: wrap; }
.rdit-editor .rdit-texts textarea { flex: 1 1 130px; width: auto; min-width: 0; }
.rdit-editor .rdit-texts textarea:first-child { flex-grow: 2; }
.rdit-editor .rdit-row { display: flex; gap: 10px; align-items: center; flex-wrap: wrap; }
.rdit-editor label { display: flex; gap: 5px; align-items: center; }
.rdit-editor .rdit-number { width: 58px; height: 24px; }
.rdit-editor .rdit-number:disabled { opacity: 0.5; }
.rdit-editor .rdit-lora { flex-wrap: nowrap; }
.rdit-editor .rdit-lora label { flex: 1 1 auto; min-width: 0; }
.rdit-editor .rdit-text { flex: 1 1 auto; min-width: 0; width: 60px; height: 24px; }
.rdit-editor .rdit-text.rdit-fault { border-color: #e8a33d; }
.rdit-editor.rdit-light .rdit-text.rdit-fault { border-color: #8a5200; }
.rdit-editor input[type="range"] { width: 70px; accent-color: #4a9eff; margin: 0; }
.rdit-editor input[type="color"] { width: 30px; height: 24px; padding: 1px; border-radius: 5px; cursor: pointer;
  border: 1px solid var(--border-color, #4e4e4e); background: var(--comfy-input-bg, #222); }
.rdit-editor .rdit-pop { position: absolute; z-index: 2; top: 36px; left: 60px; display: flex; flex-direction: column;
  gap: 8px; padding: 10px; border-radius: 8px; border: 1px solid var(--border-color, #4e4e4e);
  background: var(--comfy-menu-bg, #353535); box-shadow: 0 6px 18px rgba(0, 0, 0, 0.45); }
.rdit-editor .rdit-pop small { color: var(--descrip-text, #999); }
`;

export const REPORT_STYLE = `
.rdit-report { box-sizing: border-box; width: 100%; height: 100%; overflow: auto; padding: 7px 9px; border-radius: 8px;
  background: var(--comfy-input-bg, #222); color: var(--input-text, #ddd); white-space: pre-wrap;
  overflow-wrap: anywhere; font: 11px/1.45 ui-monospace, "DejaVu Sans Mono", Consolas, monospace; text-align: left;
  user-select: text; cursor: text; }
.rdit-report.rdit-none { display: none; }
`;

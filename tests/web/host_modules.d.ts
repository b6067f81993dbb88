// ComfyUI serves these beside the pack's files; here they only need their types.

declare module "*/scripts/app.js" {
  export const app: import("../../web/js/host").HostApp;
}

declare module "*/scripts/api.js" {
  export const api: import("../../web/js/host").HostApi;
}

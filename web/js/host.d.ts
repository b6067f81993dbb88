// The parts of ComfyUI's front end that this pack touches.

export interface HostWidget {
  name: string;
  type?: string;
  label?: string;
  value: unknown;
  callback?: (value: unknown) => void;
  serialize?: boolean;
}

export interface HostInput {
  name: string;
  localized_name?: string;
  type: string;
  link: number | null;
}

/** A node as the server describes it. */
export interface NodeDefinition {
  name: string;
  display_name: string;
  description: string;
  category: string;
  input?: {
    required?: Record<string, [unknown, Record<string, unknown>?]>;
    optional?: Record<string, [unknown, Record<string, unknown>?]>;
  };
}

export interface HostNode {
  id: number | string;
  comfyClass?: string;
  graph?: { getNodeById(id: number | string): HostNode | null } | null;
  /** Of a subgraph's node, in front ends that keep the values of promoted fields there. */
  createPromotedHostWidget?: (
    input: HostInput,
    id: string,
    inner: HostWidget & { node: HostNode },
  ) => HostWidget | undefined;
  addCustomWidget?: (widget: HostWidget) => HostWidget;
  widgets?: HostWidget[];
  inputs?: HostInput[];
  properties: Record<string, unknown>;
  size: [number, number];
  computeSize(): [number, number];
  setSize(size: [number, number]): void;
  setDirtyCanvas?(foreground: boolean, background: boolean): void;
  getInputNode(slot: number): HostNode | null;
  addDOMWidget(
    name: string,
    type: string,
    element: HTMLElement,
    options: Record<string, unknown>,
  ): HostWidget;
  onAdded?: (...args: any[]) => void;
  onRemoved?: (...args: any[]) => void;
  onConfigure?: (...args: any[]) => void;
  onConnectionsChange?: (...args: any[]) => void;
  onExecuted?: (output: any) => void;
}

export interface HostApp {
  canvas: {
    processMouseWheel(e: WheelEvent): void;
    processMouseDown(e: PointerEvent): void;
    processMouseMove(e: PointerEvent): void;
    processMouseUp(e: PointerEvent): void;
  };
  nodeOutputs?: Record<string, unknown>;
  extensionManager?: {
    setting?: { get(name: string): unknown };
    workflow?: { activeWorkflow?: { changeTracker?: { checkState(): void } } };
  };
  registerExtension(extension: {
    name: string;
    getCustomWidgets?: () => Record<
      string,
      (node: HostNode, name: string) => { widget: HostWidget; minWidth: number; minHeight: number }
    >;
    init?: () => Promise<void>;
    beforeRegisterNodeDef?: (nodeType: unknown, definition: NodeDefinition) => void;
    nodeCreated?: (node: HostNode) => void;
  }): void;
}

export interface HostApi {
  apiURL(path: string): string;
  fetchApi(path: string): Promise<Response>;
  addEventListener(type: string, listener: (e: CustomEvent) => void): void;
  removeEventListener(type: string, listener: (e: CustomEvent) => void): void;
}

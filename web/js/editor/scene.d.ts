// What is to be painted, as the view hands it to the renderer.

import type { Box, Divider, Point } from "./geometry.js";
import type { Region } from "./plan.js";

/** A rectangle in CSS pixels of the stage. */
export interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Theme {
  paper: string;
  stripe: string;
  edge: string;
  text: string;
  accent: string;
  dark: boolean;
}

/** What the pointer does just now. */
export interface Marks {
  /** A region that is being drawn. */
  draft?: Box | null;
  /** Under the pointer. */
  divider?: Divider | null;
  /** Lines that something snapped to. */
  guides?: { x: number | null; y: number | null };
  /** A lasso or polygon that is being drawn, in canvas fractions. */
  outline?: Point[] | null;
  brush?: { at: Point; radius: number; erase: boolean } | null;
}

export interface Scene {
  regions: Region[];
  /** From back to front. */
  order: number[];
  selected: number;
  prompts: string[];
  aspect: number;
  tokens: { columns: number; rows: number } | null;
  picture: CanvasImageSource | null;
  marks: Marks;
  theme: Theme;
}

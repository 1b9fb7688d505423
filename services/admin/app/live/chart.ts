/**
 * The chart of the live view, drawn by hand as it was before these pages had React: at each look a new drawing takes the
 * place of the one before, and follows the window's width by a listener of its own.
 */
import { hour, money, number } from "../format";
import { texts } from "../texts";

export interface Sample {
  readonly at: Date;
  readonly bet: number;
  readonly win: number;
  readonly rounds: number;
}

/** A place on a line for each pixel, with what is said of it. */
interface Point {
  readonly x: number;
  readonly y: number;
  readonly title: string;
}

const SERIES = ["bet", "win", "rounds"] as const;
const MOST_SAMPLES = 150;
const HEIGHT = 160;
const MARGIN = 8;
const SVG = "http://www.w3.org/2000/svg";

export class Chart {
  private readonly samples: Sample[] = [];
  private forget: () => void = () => undefined;

  /** Draws into `place`. With `leaks` it keeps what it has drawn before: the fault of the live view. */
  constructor(
    private readonly place: HTMLElement,
    private readonly leaks: boolean,
  ) {}

  add(sample: Sample): void {
    this.samples.push(sample);
    if (this.samples.length > MOST_SAMPLES) this.samples.shift();
    if (!this.leaks) this.forget();
    this.forget = this.draw();
  }

  close(): void {
    this.forget();
    this.place.replaceChildren();
  }

  /** Draws what there is; gives what ends that this drawing follows the window's width. */
  private draw(): () => void {
    const width = Math.max(280, this.place.clientWidth);
    const lines = SERIES.map((name) => ({ name, points: this.points(name, width) }));
    const drawing = svg("svg", {
      width: "100%",
      height: String(HEIGHT),
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": texts.live.chart,
    });
    const fit = (): void => {
      drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
      for (const { name, points } of lines) {
        const path = points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
        drawing.querySelector(`.line.${name}`)?.setAttribute("points", path);
      }
    };
    for (const { name, points } of lines) {
      drawing.append(svg("polyline", { class: `line ${name}`, fill: "none" }));
      for (const point of this.marks(points)) drawing.append(mark(name, point));
    }
    fit();
    addEventListener("resize", fit);
    this.place.replaceChildren(legend(), drawing);
    return () => removeEventListener("resize", fit);
  }

  /** One point a pixel, on the straight line between two samples. */
  private points(name: (typeof SERIES)[number], width: number): Point[] {
    const most = Math.max(1, ...this.samples.map((sample) => sample[name]));
    const last = this.samples.length - 1;
    const found: Point[] = [];
    for (let x = 0; x <= width; x += 1) {
      const place = (x / width) * last;
      const before = this.samples[Math.floor(place)];
      const after = this.samples[Math.ceil(place)];
      if (!before || !after) continue;
      const value = before[name] + (after[name] - before[name]) * (place % 1);
      const y = HEIGHT - MARGIN - (value / most) * (HEIGHT - 2 * MARGIN);
      const said = name === "rounds" ? number(Math.round(value)) : money(Math.round(value));
      found.push({ x, y, title: texts.live.at(texts.live.series[name], hour(before.at), said) });
    }
    return found;
  }

  /** The points that can be pointed at: one a sample. */
  private marks(points: readonly Point[]): Point[] {
    const step = Math.max(1, Math.floor(points.length / MOST_SAMPLES));
    return points.filter((_, index) => index % step === 0);
  }
}

function mark(name: string, point: Point): SVGElement {
  const found = svg("circle", { class: `mark ${name}`, cx: String(point.x), cy: String(point.y), r: "4" });
  const title = svg("title", {});
  title.textContent = point.title;
  found.append(title);
  found.addEventListener("pointerenter", () => found.classList.add("pointed"));
  found.addEventListener("pointerleave", () => found.classList.remove("pointed"));
  return found;
}

function legend(): HTMLElement {
  const found = document.createElement("p");
  found.className = "legend";
  for (const name of SERIES) {
    const each = document.createElement("span");
    each.className = name;
    each.textContent = texts.live.series[name];
    found.append(each);
  }
  return found;
}

function svg(tag: string, attributes: Readonly<Record<string, string>>): SVGElement {
  const found = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
  return found;
}

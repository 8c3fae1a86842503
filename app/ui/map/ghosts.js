// @ts-check
// Keys that were undone a moment ago: they fade away where they stood.

const SECONDS = 6;

/** @typedef {{id: string, x: number, y: number, born: number}} Ghost */

/**
 * How much of a ghost is left. Pure.
 * @param {Ghost} ghost
 * @param {number} now
 */
export const opacityOf = ({ born }, now) => Math.max(0, 0.7 * (1 - (now - born) / (SECONDS * 1000)));

export class Ghosts {
  /** @param {() => void} draw */
  constructor(draw) {
    this.draw = draw;
    /** @type {Ghost[]} */
    this.all = [];
    this.timer = 0;
  }

  /** The points have changed: what is gone from the same layout fades, what is there is no ghost. */
  follow(old, scene) {
    if (!old || old.layout !== scene.layout) {
      this.all = [];
      return;
    }
    const now = new Set(scene.keys.id);
    old.keys.id.forEach((id, row) => {
      if (!now.has(id)) this.all.push({ id, x: old.keys.x[row], y: old.keys.y[row], born: Date.now() });
    });
    this.all = this.all.filter((one) => !now.has(one.id));
    if (this.all.length && !this.timer) this.fade();
  }

  fade() {
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.all = this.all.filter((one) => opacityOf(one, Date.now()) > 0.05);
      this.draw();
      if (this.all.length) this.fade();
    }, 1000);
  }

  /** With their present opacity. */
  shown() {
    return this.all.map((one) => ({ ...one, opacity: opacityOf(one, Date.now()) }));
  }
}

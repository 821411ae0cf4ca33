// Fetches frames as bitmaps and keeps the last ones; neighbours are fetched ahead.

const KEPT = 16;

export class Frames {
  constructor() { this.kept = new Map(); }

  /** Promise of the bitmap of a frame; an Error with a sentence where there is none. */
  get(video, frame) {
    const key = `${video}\n${frame}`;
    let promise = this.kept.get(key);
    this.kept.delete(key);
    if (!promise) {
      promise = load(video, frame);
      promise.catch(() => this.kept.delete(key));
    }
    this.kept.set(key, promise);
    if (this.kept.size > KEPT) this.#forgetOldest();
    return promise;
  }

  #forgetOldest() {
    const [key, promise] = this.kept.entries().next().value;
    this.kept.delete(key);
    promise.catch(() => {});
  }
}

async function load(video, frame) {
  let answer;
  try {
    answer = await fetch(`api/frame?video=${encodeURIComponent(video)}&frame=${frame}`);
  } catch {
    throw new Error("The server does not answer; start `annotate` again for this folder.");
  }
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `The server answered ${answer.status}.`);
  try {
    return await createImageBitmap(await answer.blob());
  } catch {
    throw new Error(`Frame ${frame} of ${video} is no image that the browser can show; copy the file again.`);
  }
}

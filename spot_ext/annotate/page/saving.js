// Sends changes as they are made. What could not be sent stays in the browser's storage and is tried again.

const WAITS = [500, 1000, 2000, 4000];  // milliseconds between attempts

export class Saver {
  /** `tell({state, pending, message})` hears of every change; state is saved, saving or failed. */
  constructor(storageKey, tell, progress) {
    this.storageKey = storageKey;
    this.tell = tell;
    this.progress = progress;
    this.failures = 0;
    this.sending = false;
    this.timer = null;
    this.message = "";
    this.queue = new Map();
    for (const edit of stored(storageKey)) this.queue.set(keyOf(edit), edit);
    this.#report();
    if (this.queue.size) this.flush();
  }

  get pending() { return this.queue.size; }

  /** Queue changes and send them at once. A later change of the same box replaces an earlier one not sent yet. */
  push(edits) {
    for (const edit of edits) {
      const key = keyOf(edit);
      this.queue.delete(key);  // to the end: the order of changes matters
      this.queue.set(key, edit);
    }
    this.#keep();
    this.#report();
    this.flush();
  }

  async flush() {
    if (this.sending || this.queue.size === 0) return;
    clearTimeout(this.timer);
    this.sending = true;
    const batch = [...this.queue.values()];
    const outcome = await send(batch);
    if (outcome.refused && batch.length > 1) await this.#oneByOne(batch);
    else if (outcome.refused) this.#drop(batch, outcome.message);
    else if (outcome.saved) this.#saved(batch, outcome.videos);
    else this.#failed(outcome.message);
    this.sending = false;
    this.#keep();
    this.#report();
    if (this.queue.size && !this.failures) this.flush();
  }

  async #oneByOne(batch) {
    for (const edit of batch) {
      const outcome = await send([edit]);
      if (outcome.refused) this.#drop([edit], outcome.message);
      else if (outcome.saved) this.#saved([edit], outcome.videos);
      else return this.#failed(outcome.message);
    }
  }

  #saved(batch, videos) {
    this.#forget(batch);
    this.failures = 0;
    this.message = "";
    this.progress(videos);
  }

  #drop(batch, message) {  // it would be refused for ever
    this.#forget(batch);
    this.failures = 0;
    this.message = `This change was not saved: ${message}.`;
  }

  #failed(message) {
    this.message = message;
    this.timer = setTimeout(() => this.flush(), WAITS[Math.min(this.failures, WAITS.length - 1)]);
    this.failures += 1;
  }

  #forget(batch) {
    for (const edit of batch) if (this.queue.get(keyOf(edit)) === edit) this.queue.delete(keyOf(edit));
  }

  #keep() {
    try {
      if (this.queue.size) localStorage.setItem(this.storageKey, JSON.stringify([...this.queue.values()]));
      else localStorage.removeItem(this.storageKey);
    } catch { /* storage is off or full: the changes are still in the page */ }
  }

  #report() {
    const state = this.failures ? "failed" : this.queue.size || this.sending ? "saving" : "saved";
    this.tell({ state, pending: this.queue.size, message: this.message });
  }
}

async function send(edits) {
  let answer;
  try {
    answer = await fetch("api/edits", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ edits }),
      keepalive: edits.length < 100, signal: AbortSignal.timeout(20000) });
  } catch {
    return { message: "The server does not answer; start `annotate` again for this folder." };
  }
  const content = await answer.json().catch(() => ({}));
  if (answer.ok) return { saved: true, videos: content.videos };
  const message = content.error ?? `the server answered ${answer.status}`;
  if (answer.status === 403) return { message: "The page has a new address: open the one the server printed." };
  return { refused: answer.status === 400, message };
}

function keyOf(edit) { return JSON.stringify([edit.video, edit.object, edit.frame ?? (edit.remove ? "object" : "label")]); }

function stored(key) {
  try { return JSON.parse(localStorage.getItem(key)) ?? []; } catch { return []; }
}

// The stage: one frame for each picture of a job, in its final shape from the first moment.
import { API, ask, blobOf, local, say } from './api.js';
import { compare } from './compare.js';
import { picture, take, wanted } from './drop.js';
import { follow } from './follow.js';
import { form } from './form.js';

const at = (id) => document.getElementById(id);
const ui = { state: at('state'), progress: at('progress'), tiles: at('tiles'), failure: at('failure'), cancel: at('cancel') };
const WORDS = { pending: 'Queued', processing: 'Started', completed: 'Done', cancelled: 'Cancelled: nothing was charged', failed: 'Failed' };
let tiles = [], leave, running = null, stepped = new Map();

function tile(request, ratio) {
  const figure = at('tile').content.cloneNode(true).firstElementChild;
  figure.style.setProperty('--ratio', ratio);
  figure.querySelector('img').alt = `${request.prompt?.slice(0, 150) ?? ''} (generated picture)`;
  return { figure, image: figure.querySelector('img'), final: false, preview: null };
}

async function put(one, address, isFinal) {
  if (one.final && !isFinal) return;
  one.final = isFinal;
  const next = new Image();
  next.src = address;
  await next.decode().catch(() => {});
  if (one.final && !isFinal) return;
  one.image.src = address;
  if (one.preview) URL.revokeObjectURL(one.preview);
  one.preview = isFinal ? null : address;
}

function progress(count, steps) {
  const made = [...stepped.values()].reduce((sum, step) => sum + step, 0);
  ui.progress.value = made / (count * steps);
  ui.state.textContent = count > 1 ? `Step ${made} of ${count * steps}, ${count} pictures` : `Step ${made} of ${steps}`;
}

function finish(job, request, given) {
  running = null;
  ui.cancel.hidden = ui.progress.hidden = true;
  ui.state.textContent = WORDS[job.status];
  const seconds = job.timings?.inference;
  if (job.status === 'completed') {
    ui.state.textContent = [`Done${seconds === undefined ? '' : ` in ${seconds.toFixed(1)} s`}`,
      `${job.creditCost} credit${job.creditCost === 1 ? '' : 's'}`, job.servedBy].filter(Boolean).join(' · ');
    if (job.outputExpired) ui.state.textContent = 'The pictures have expired.';
  } else if (job.status === 'failed') {
    ui.failure.textContent = `${job.error?.message ?? 'The job failed.'} Nothing was charged.`;
    ui.failure.hidden = false;
  }
  for (const [index, asset] of (job.assets ?? []).entries()) if (tiles[index]) deliver(tiles[index], asset, job, given);
  for (const one of tiles) if (!one.final) one.figure.remove();
  say(ui.state.textContent);
}

function deliver(one, asset, job, given) {
  const address = local(asset.url), act = (name) => one.figure.querySelector(`[data-${name}]`);
  one.figure.style.setProperty('--ratio', asset.width / asset.height);
  put(one, address, true);
  one.figure.querySelector('figcaption').hidden = false;
  act('facts').textContent = `${asset.width} × ${asset.height} · seed ${asset.seed}`;
  act('download').href = address;
  act('download').download = `${job.jobId}-${asset.seed}.${asset.contentType.split('/')[1]}`;
  act('job').href = `/gallery/${job.jobId}`;
  act('use').hidden = !wanted();
  act('use').addEventListener('click', async () => { await take(await (await fetch(address)).blob(), true); scrollTo({ top: 0 }); });
  act('compare').hidden = !given;
  act('compare').addEventListener('click', () => compare(given, address, asset.width / asset.height));
  act('seed').addEventListener('click', () => {
    const seed = form.elements.seed;
    seed.value = asset.seed;
    seed.dispatchEvent(new Event('input', { bubbles: true }));
    say(`Seed ${asset.seed} is kept`);
  });
}

export function attach(jobId, request, ratio, onEnd) {
  leave?.();
  stepped = new Map();
  const count = request.num_outputs ?? 1, steps = { of: 1 };
  // The picture may be replaced in the form while this job runs: what it was given is kept.
  const given = request.input_image || request.input_images || request.image ? copyOfPicture() : null;
  tiles = Array.from({ length: count }, () => tile(request, ratio));
  ui.tiles.replaceChildren(...tiles.map((one) => one.figure));
  at('compare-place').replaceChildren();
  ui.failure.hidden = true;
  ui.cancel.hidden = ui.progress.hidden = false;
  ui.progress.removeAttribute('value');
  ui.state.textContent = 'Queued';
  running = jobId;
  leave = follow(jobId, {
    onJob(job, ended) {
      if (ended) { finish(job, request, given); onEnd(job); return; }
      if (job.progress) steps.of = job.progress.steps;
      else ui.state.textContent = job.queuePosition ? `Queued, ${job.queuePosition} ahead` : WORDS[job.status];
    },
    onStep(step) { steps.of = step.steps; stepped.set(step.image, step.step); progress(count, steps.of); },
    onPreview({ image, preview }) { if (tiles[image] && !tiles[image].final) put(tiles[image], URL.createObjectURL(blobOf(preview)), false); },
    onImage({ image, url }) { if (tiles[image]) put(tiles[image], local(url), true); },
  });
}

const copyOfPicture = () => { const image = document.querySelector('.picked img'); return image && picture.url ? keep(image) : null; };

function keep(image) {
  // A blob's address dies with the picture that it was made for; a canvas of the shown copy does not.
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth || 1;
  canvas.height = image.naturalHeight || 1;
  if (image.naturalWidth) canvas.getContext('2d').drawImage(image, 0, 0);
  return URL.createObjectURL(blobOf(canvas.toDataURL('image/jpeg', 0.9)));
}

ui.cancel.addEventListener('click', async () => {
  ui.state.textContent = 'Cancelling';
  if (running) await ask('DELETE', `${API}/jobs/${running}`).catch(() => {});
});

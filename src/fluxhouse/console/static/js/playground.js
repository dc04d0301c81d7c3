// The playground: prices while one types, submits, keeps the draft and the running job through a reload.
import './page.js';
import { API, ask, forget, MODEL, recall, remember, say, unguessable } from './api.js';
import { drop, picture, wanted } from './drop.js';
import { calm, complain, form, read, write } from './form.js';
import { maskId } from './mask.js';
import { addResult } from './results.js';
import { attach } from './stage.js';
import { makeTabs } from './tabs.js';

const at = (id) => document.getElementById(id);
const run = at('run'), price = run.querySelector('[data-price]'), codeOf = at('code-of');
let quoted = null, timer, asked = 0;

// A quote or a program needs a whole request: what is still missing stands in, and is never sent as a run.
function whole() {
  const body = read();
  const missing = { prompt: 'a' };
  for (const field of form.querySelectorAll('.mask [name]')) missing[field.name] = 'file_0';
  if (form.querySelector('.mask')) missing[document.querySelector('[data-picture]').dataset.picture] = 'file_0';
  return { ...missing, ...body };
}

async function quote() {
  const mine = ++asked;
  try {
    const told = await ask('POST', `${API}/models/${MODEL}/quote`, whole());
    if (mine !== asked) return;
    quoted = told;
    const { creditCost, creditsRemaining } = told;
    price.textContent = ` · ${creditCost} credit${creditCost === 1 ? '' : 's'}`;
    at('balance').textContent = creditCost > creditsRemaining
      ? `You have ${creditsRemaining}: ${creditCost - creditsRemaining} too few.` : `${creditsRemaining} left`;
    calm();
  } catch (error) {
    if (mine !== asked) return;
    price.textContent = '';
    at('balance').textContent = error.message;
  } finally {
    if (mine === asked) run.classList.remove('stale');
  }
}

async function showCode() {
  if (!codeOf.open) return;
  const wait = codeOf.querySelector('[data-wait]'), place = codeOf.querySelector('[data-code]');
  try {
    const { samples } = await ask('POST', `/playground/${MODEL}/code`, whole());
    place.replaceChildren(...samples.map((sample) => {
      const section = at('sample').content.cloneNode(true).firstElementChild;
      section.id = `sample-${sample.id}`;
      section.dataset.tab = sample.id;
      section.querySelector('h3').textContent = sample.title;
      section.querySelector('pre').setAttribute('aria-label', sample.title);
      Object.assign(section.querySelector('code'), { id: `code-${sample.id}`, textContent: sample.code });
      section.querySelector('.copy').dataset.copy = `code-${sample.id}`;
      return section;
    }));
    makeTabs(place);
    wait.hidden = true;
  } catch (error) {
    Object.assign(wait, { hidden: false, textContent: error.message });
  }
}

function changed() {
  const draft = read();
  // Pictures are kept by themselves, with a copy to show.
  for (const field of form.querySelectorAll('.drop [name], .mask [name]')) delete draft[field.name];
  remember('draft', draft);
  run.classList.add('stale');
  clearTimeout(timer);
  timer = setTimeout(() => { quote(); showCode(); }, 250);
}

// The shape that the pictures will have, so that nothing jumps when they come.
function ratio(body) {
  const chosen = form.querySelector('[name=aspect_ratio]:checked');
  if (body.width && body.height) return body.width / body.height;
  if (chosen?.dataset.width) return chosen.dataset.width / chosen.dataset.height;
  return picture.url ? picture.width / picture.height : (quoted?.width ?? 1) / (quoted?.height ?? 1);
}

async function submit(event) {
  event.preventDefault();
  if (run.disabled) return;
  calm();
  run.disabled = true;
  try {
    const body = read();
    if (!body.prompt) throw Object.assign(new Error('Say what the picture shall show.'), { field: 'prompt' });
    const mask = await maskId();
    if (mask) body.mask = mask;
    else if (form.querySelector('.mask') && !mask) throw Object.assign(new Error('Give a picture, and paint what shall change.'), { field: 'mask' });
    const { jobId } = await ask('POST', `${API}/models/${MODEL}/run`, body, { 'Idempotency-Key': unguessable() });
    const job = { jobId, body, ratio: ratio(body) };
    remember('job', job);
    follow(job);
    quote();
    showCode();  // now it knows the mask that was uploaded
    if (innerWidth < 900) at('state').scrollIntoView({ block: 'start' });
  } catch (error) {
    complain(error);
  } finally {
    run.disabled = false;
  }
}

function follow({ jobId, body, ratio: shape }) {
  attach(jobId, body, shape, (job) => { if (job.status === 'completed') addResult(job, body); else quote(); });
}

function reset() {
  forget('draft');
  if (wanted()) drop();
  write({});
  calm();
  changed();
  at('prompt').focus();
}

// A request in the fragment, as links from examples, jobs and results have it; it is taken once.
function shared() {
  if (!location.hash.includes('=')) return null;
  const found = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  history.replaceState(null, '', location.pathname);
  return found;
}

function fill() {
  const given = shared();
  if (!given) return;
  write(given);
  calm();
  changed();
  say('The form is filled in');
}

// What is shared comes before the draft.
function start() {
  const given = shared();
  const draft = given ?? recall('draft');
  if (draft) write(draft);
  const job = recall('job');
  if (job && !given) follow(job);
  quote();
}

form.addEventListener('submit', submit);
form.addEventListener('input', changed);
addEventListener('hashchange', fill);
at('reset').addEventListener('click', reset);
codeOf.addEventListener('toggle', showCode);
document.querySelector('[data-go]').addEventListener('change', ({ target }) => target.form.submit());
document.querySelector('.play-head form button').hidden = true;
start();

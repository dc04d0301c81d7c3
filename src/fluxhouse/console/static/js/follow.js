// Follows one job while the tab is visible: events are hints, what the job says when asked is the truth.
import { API, ask } from './api.js';

const ENDED = ['completed', 'failed', 'cancelled'];

export function follow(job, { onJob, onStep, onPreview, onImage }) {
  let source, timer, delay = 500, done = false;
  const stop = () => { clearTimeout(timer); source?.close(); source = undefined; };
  const told = (state) => {
    if (done) return true;
    done = ENDED.includes(state.status);
    if (done) finish();
    onJob(state, done);
    return done;
  };
  const finish = () => { stop(); document.removeEventListener('visibilitychange', look); };
  const poll = async () => {
    try { return told(await ask('GET', `${API}/jobs/${job}`)); } catch (error) {
      if (error.status !== 404) return false;
      return told({ jobId: job, status: 'failed', error: { message: 'The job is no longer there.' } });
    }
  };
  const again = async () => {
    stop();
    if (done || await poll() || document.hidden) return;
    timer = setTimeout(open, delay * (0.5 + Math.random()));
    delay = Math.min(delay * 2, 30_000);
  };
  const open = () => {
    if (source || done || document.hidden) return;
    source = new EventSource(`${API}/jobs/${job}/events`);
    const on = (name, act) => source.addEventListener(name, ({ data }) => { delay = 500; if (!done) act(JSON.parse(data)); });
    on('status', (state) => (state.model ? told(state) : onJob(state, false)));
    on('step', onStep);
    on('preview', onPreview);
    on('image', onImage);
    source.onerror = () => { if (source?.readyState === EventSource.CLOSED) again(); };
  };
  const look = async () => { if (document.hidden) stop(); else if (!await poll()) open(); };
  document.addEventListener('visibilitychange', look);
  look();
  return finish;
}

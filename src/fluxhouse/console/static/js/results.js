// The account's last results: a new one comes first, and each leads to the form filled with what made it.
import { MODEL } from './api.js';

const place = document.querySelector('[data-results]'), list = place.querySelector('ul');
const LEFT_OUT = /^(image|mask|image_url|input_images?|seed)$/;  // pictures are given anew, the seed is the job's own
const MOST = 12;

export function addResult({ jobId, seed, assets }, request) {
  if (!assets?.length || list.querySelector(`[data-job="${CSS.escape(jobId)}"]`)) return;
  const said = Object.entries(request).filter(([name, value]) => !LEFT_OUT.test(name) && typeof value !== 'object');
  const row = document.getElementById('result').content.cloneNode(true).firstElementChild;
  const image = row.querySelector('img');
  row.dataset.job = jobId;
  row.querySelector('a').href = `/playground/${MODEL}#${new URLSearchParams([...said, ['seed', seed]])}`;
  image.width = assets[0].width;
  image.height = assets[0].height;
  image.src = `/gallery/${jobId}/thumbnail/0`;
  image.alt = `${MODEL}: ${request.prompt?.slice(0, 150) ?? ''}`;
  list.prepend(row);
  while (list.children.length > MOST) list.lastElementChild.remove();
  place.hidden = false;
}

// What every page needs.
import './copy.js';
import './tabs.js';

// What every page needs.
import './copy.js';

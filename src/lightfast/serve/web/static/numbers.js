// Owns how numbers and moments are written on the pages: thousands apart, the minus of the house, shares in percent, differences in points, intervals.

/** @param {number | null | undefined} value nothing is written of null. @param {Intl.NumberFormatOptions} options */
const written = (value, options) => (value == null ? "" : value.toLocaleString("en", options).replace("-", "−"));

/** A number with so many digits behind its point; what is rounded to 0 has no sign. @param {number | null | undefined} value @param {number} [digits] */
export const fixed = (value, digits = 0) => written(value, { minimumFractionDigits: digits, maximumFractionDigits: digits, signDisplay: "negative" });

/** A difference of shares in percentage points, with its sign. @param {number} share */
export const points = (share) => written(100 * share, { minimumFractionDigits: 1, maximumFractionDigits: 1, signDisplay: "exceptZero" });

/** A difference with its interval. @param {{difference: number, difference_interval: [number, number]}} paired */
export const pointsBetween = ({ difference, difference_interval: [low, high] }) => `${points(difference)} (${points(low)} to ${points(high)})`;

/** A share in whole percent. @param {number | null | undefined} share */
export const percent = (share) => (share == null ? "" : share > 0.995 && share < 1 ? "> 99 %" : `${fixed(100 * share)} %`);

/** A share with one digit, as tables show it. @param {number | null | undefined} share */
export const tenths = (share) => (share == null ? "" : `${fixed(100 * share, 1)} %`);

/** A share with as many digits as it has, two at most. @param {number} share */
export const hundredths = (share) => `${written(100 * share, { maximumFractionDigits: 2 })} %`;

/** Both ends of an interval of shares, in percent. @param {[number, number]} ends */
export const between = ([low, high]) => `${fixed(100 * low, 1)} – ${fixed(100 * high, 1)}`;

/** @param {number} count @param {string} noun @param {string} [several] */
export const counted = (count, noun, several = `${noun}s`) => `${fixed(count)} ${count === 1 ? noun : several}`;

/** @param {string | null} text a moment as ISO text. */
export const day = (text) => (text ? new Date(text).toLocaleDateString("en-GB", { dateStyle: "medium" }) : "");

/** @param {string | null} text a moment as ISO text. */
export const moment = (text) => (text ? new Date(text).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }) : "");

/* What a ticker says: BASE/QUOTE, or a market of interest rates (ETH-SPOT, ETH-2027-03-26), priced in interest a year. */

/** What is traded; nothing where there is no ticker. */
export const baseOf = (ticker) => ticker?.split(/[/-]/)[0];

/** What it is priced in; nothing where there is no ticker. */
export const quoteOf = (ticker) => (!ticker || ticker.includes("/") ? ticker?.split("/")[1] : `${baseOf(ticker)}%`);

/** Decimals that people read: two of money, eight of interest a year. */
export const places = (currency) => (currency?.endsWith("%") ? 8 : 2);

/* POSTs an act with the forgery token. Answers `{ok, status, document, said}`; `said` is what to tell the operator. */

const csrf = document.querySelector("meta[name=csrf]").content;

const told = (status, answer) => {
  if (answer.errors) return answer.errors.map((e) => `${e.field}: ${e.message}`);
  if (answer.reasons) return answer.reasons;
  return [`the daemon answered ${status}`];
};

/** Do *act* (`start`, `update`, …); never throws. */
export const post = async (act, body = {}) => {
  try {
    const answer = await fetch(`/api/${act}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF": csrf },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(20000),
    });
    const document = await answer.json().catch(() => ({}));
    return { ok: answer.ok, status: answer.status, document, said: answer.ok ? [] : told(answer.status, document) };
  } catch (error) {
    const why = error.name === "TimeoutError" ? "no answer within 20 s: it may have happened, look at the state" : "the daemon cannot be reached: nothing was done, or it is not known";
    return { ok: false, status: 0, document: {}, said: [why] };
  }
};

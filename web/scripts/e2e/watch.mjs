/** Collects what must not happen on a page: script errors, console errors, and what the content security policy stopped. */
export function watch(page, failures, where) {
  page.on('pageerror', (error) => failures.push(`${where()}: script error: ${error.message}`));
  page.on('console', (message) => {
    // A 401 of the question who is signed in is the answer "nobody".
    if (message.type() === 'error' && !message.text().includes('401')) failures.push(`${where()}: console: ${message.text()}`);
  });
}

/** How many pixels the page is wider than its window, once it has come to rest after a change of size; 0: it fits. */
export async function tooWide(page) {
  const over = () => page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
  const end = Date.now() + 3000;
  for (;;) {
    const now = await over();
    if (now <= 0) return 0;
    if (Date.now() > end) return now;
    await page.waitForTimeout(50);
  }
}

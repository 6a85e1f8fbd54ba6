/** Signs in through the page, as a person who was given an address and a password. */
export async function signInAs(page, url, { email, password }) {
  await page.goto(`${url}/sign-in`);
  await page.fill('input[name=email]', email);
  await page.fill('input[name=password]', password);
  await page.click('button[type=submit]');
  await page.waitForSelector('table.np-heat, #first-run');
}

// The mock platform for development: `npm run mock`, then `npm run dev`.
import { runnerImport } from 'vite';

const { module } = await runnerImport(new URL('../mock/server.ts', import.meta.url).pathname);
const mock = await module.startMock({ port: Number(process.env.PORT ?? 4400), dist: new URL('../dist', import.meta.url).pathname });
console.log(`mock platform at ${mock.url}; sign in as tess@msp.example with the password "correct horse"`);

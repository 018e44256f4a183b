import { registerAddressOpener } from '../contract/index.ts';

// The schemes that an address may have. The engine, and with it the database, is loaded when one is opened.
registerAddressOpener('sqlite:', async (address, options) =>
  (await import('../engine/index.ts')).openSqlite(address, options),
);
registerAddressOpener('memory:', async (address) => (await import('../engine/index.ts')).openMemory(address));

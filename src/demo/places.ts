// Where things lie, for the process that does them and the one that looks at them.
import { join } from 'node:path';

/** The branch that the others are landed on. */
export const TARGET_BRANCH = 'pleach-demo-target';

/** The branch of a task. */
export const taskBranch = (id: string): string => `pleach-demo/${id}`;

/** The clone, in the demonstration's folder. */
export const repositoryIn = (folder: string): string => join(folder, 'clone.git');

/** The engine's database, in the demonstration's folder. */
export const databaseIn = (folder: string): string => join(folder, 'demo.db');

/** The ledger that the steps write, in the demonstration's folder. */
export const ledgerIn = (folder: string): string => join(folder, 'ledger');

/** What the workflow came to, as JSON, in the demonstration's folder. */
export const reportIn = (folder: string): string => join(folder, 'report.json');

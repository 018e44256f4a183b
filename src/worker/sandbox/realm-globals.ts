/* oxlint-disable typescript/no-explicit-any, typescript/no-extraneous-class -- this text runs in another realm */

/** What the host lends to a realm. Everything takes and gives text, and throws only the realm's own errors. */
export interface RealmHost {
  /** Parses or changes a URL: `{ href, base, set?: [part, value] }` as JSON; gives the parts, or `{ error }`. */
  url(request: string): string;
}

/** What the realm's own machinery tells the globals. */
export interface RealmClock {
  now(): number;
  random(): number;
  fill(view: Uint8Array): void;
  uuid4(): string;
  setTimeout(callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]): number;
  clearTimeout(handle: number): void;
  violation(message: string): Error;
  log(level: string, message: string): void;
}

/**
 * Makes a realm deterministic. This function's text is evaluated inside the realm: it must name nothing outside itself.
 * The clock, randomness and time zone are the run's; what cannot be made deterministic throws or is gone.
 */
export function installGlobals(host: RealmHost, clock: RealmClock): void {
  const G = globalThis as any;
  const define = (target: object, key: PropertyKey, value: unknown): void => {
    Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable: false });
  };

  // ---- Date: the run's clock, in UTC, in the English of the United States ----
  const RealDate = Date;
  const proto = RealDate.prototype as any;
  const realParse = RealDate.parse;
  const parse = (text: unknown): number => {
    const s = String(text);
    if (/^[+-]?\d{4,6}(-\d\d(-\d\d)?)?$/.test(s) || /(?:Z|GMT|UTC|[+-]\d\d:?\d\d)\s*(?:\(.*\))?$/i.test(s))
      return realParse(s);
    return /^[+-]?\d{4,6}-\d\d-\d\dT/.test(s) ? realParse(`${s}Z`) : realParse(`${s} UTC`);
  };
  const time = (args: unknown[]): number => {
    if (args.length === 0) return clock.now();
    if (args.length > 1) return (RealDate.UTC as any)(...args);
    const [only] = args as [any];
    if (only instanceof RealDate) return (only as any).getTime();
    const primitive =
      typeof only === 'object' && only !== null ? (only[Symbol.toPrimitive]?.('default') ?? only.valueOf()) : only;
    return typeof primitive === 'string' ? parse(primitive) : Number(primitive);
  };
  function PleachDate(this: unknown, ...args: unknown[]): unknown {
    if (!new.target) return new RealDate(clock.now()).toString();
    return Reflect.construct(RealDate, [time(args)], new.target);
  }
  Object.defineProperty(PleachDate, 'name', { value: 'Date' });
  Object.defineProperty(PleachDate, 'length', { value: 7 });
  Object.defineProperty(PleachDate, 'prototype', { value: proto, writable: false });
  define(PleachDate, 'now', function now() {
    return clock.now();
  });
  define(PleachDate, 'parse', parse);
  define(PleachDate, 'UTC', RealDate.UTC);
  define(proto, 'constructor', PleachDate);
  for (const part of ['Date', 'Day', 'FullYear', 'Hours', 'Milliseconds', 'Minutes', 'Month', 'Seconds']) {
    define(proto, `get${part}`, proto[`getUTC${part}`]);
    if (part !== 'Day') define(proto, `set${part}`, proto[`setUTC${part}`]);
  }
  define(proto, 'getTimezoneOffset', function getTimezoneOffset(this: any) {
    return Number.isNaN(this.getTime()) ? NaN : 0;
  });
  define(proto, 'getYear', function getYear(this: any) {
    return this.getUTCFullYear() - 1900;
  });
  const two = (n: number): string => String(n).padStart(2, '0');
  const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
  const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
  const dateText = (d: any): string =>
    `${DAYS[d.getUTCDay()]} ${MONTHS[d.getUTCMonth()]} ${two(d.getUTCDate())} ${String(d.getUTCFullYear()).padStart(4, '0')}`;
  const timeText = (d: any): string =>
    `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())} GMT+0000 (Coordinated Universal Time)`;
  const valid = (text: (d: any) => string) =>
    function (this: any): string {
      return Number.isNaN(RealDate.prototype.getTime.call(this)) ? 'Invalid Date' : text(this);
    };
  define(
    proto,
    'toString',
    valid((d) => `${dateText(d)} ${timeText(d)}`),
  );
  define(proto, 'toDateString', valid(dateText));
  define(proto, 'toTimeString', valid(timeText));

  // ---- Intl: en-US and UTC where nothing is said ----
  const LOCALE = 'en-US';
  const inUtc = (options: any): any => (options?.timeZone === undefined ? { ...options, timeZone: 'UTC' } : options);
  for (const name of ['toLocaleString', 'toLocaleDateString', 'toLocaleTimeString']) {
    const real = proto[name];
    define(proto, name, function (this: unknown, locales?: unknown, options?: unknown) {
      return real.call(this, locales ?? LOCALE, inUtc(options));
    });
  }
  const withLocale = (target: any, name: string, at: number): void => {
    const real = target[name];
    if (typeof real !== 'function') return;
    define(target, name, function (this: unknown, ...args: unknown[]) {
      while (args.length <= at) args.push(undefined);
      args[at] ??= LOCALE;
      return real.apply(this, args);
    });
  };
  withLocale(Number.prototype, 'toLocaleString', 0);
  withLocale(BigInt.prototype, 'toLocaleString', 0);
  withLocale(String.prototype, 'localeCompare', 1);
  withLocale(String.prototype, 'toLocaleLowerCase', 0);
  withLocale(String.prototype, 'toLocaleUpperCase', 0);
  const RealFormat = Intl.DateTimeFormat as any;
  for (const name of Object.getOwnPropertyNames(Intl)) {
    const Real = (Intl as any)[name];
    if (typeof Real !== 'function' || !Real.prototype || name === 'Locale') continue;
    const isDates = name === 'DateTimeFormat';
    const Wrapped = function (this: unknown, locales?: unknown, options?: unknown): unknown {
      return Reflect.construct(Real, [locales ?? LOCALE, isDates ? inUtc(options) : options], new.target ?? Real);
    };
    Object.defineProperty(Wrapped, 'name', { value: name });
    Object.defineProperty(Wrapped, 'prototype', { value: Real.prototype, writable: false });
    define(Wrapped, 'supportedLocalesOf', Real.supportedLocalesOf);
    define(Real.prototype, 'constructor', Wrapped);
    define(Intl, name, Wrapped);
  }
  const formatGetter = Object.getOwnPropertyDescriptor(RealFormat.prototype, 'format')!.get!;
  Object.defineProperty(RealFormat.prototype, 'format', {
    configurable: true,
    get(this: unknown) {
      const format = formatGetter.call(this) as (date: unknown) => string;
      return (date?: unknown) => format(date === undefined ? clock.now() : date);
    },
  });
  const realParts = RealFormat.prototype.formatToParts;
  define(RealFormat.prototype, 'formatToParts', function (this: unknown, date?: unknown) {
    return realParts.call(this, date === undefined ? clock.now() : date);
  });
  if (G.Temporal) {
    const T = G.Temporal;
    const instant = (): any => T.Instant.fromEpochMilliseconds(clock.now());
    const zoned = (zone: unknown = 'UTC'): any => instant().toZonedDateTimeISO(zone);
    define(T, 'Now', {
      [Symbol.toStringTag]: 'Temporal.Now',
      instant,
      timeZoneId: () => 'UTC',
      zonedDateTimeISO: zoned,
      plainDateTimeISO: (zone?: unknown) => zoned(zone).toPlainDateTime(),
      plainDateISO: (zone?: unknown) => zoned(zone).toPlainDate(),
      plainTimeISO: (zone?: unknown) => zoned(zone).toPlainTime(),
    });
  }

  // ---- randomness, timers ----
  define(Math, 'random', function random() {
    return clock.random();
  });
  define(G, 'Date', PleachDate);
  define(G, 'setTimeout', clock.setTimeout);
  define(G, 'clearTimeout', clock.clearTimeout);
  const resolved = Promise.resolve();
  define(G, 'queueMicrotask', (work: () => void) => {
    void resolved.then(() => work());
  });
  define(G, 'crypto', {
    randomUUID: () => clock.uuid4(),
    getRandomValues<T extends ArrayBufferView>(view: T): T {
      clock.fill(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
      return view;
    },
  });
  /** A line must not fail the run that writes it. */
  const textOf = (arg: unknown): string => {
    if (typeof arg === 'string') return arg;
    try {
      return JSON.stringify(arg) ?? String(arg);
    } catch {
      return '(cannot be written as JSON)';
    }
  };
  const say =
    (level: string) =>
    (...args: unknown[]) => {
      clock.log(level, args.map(textOf).join(' '));
    };
  define(G, 'console', {
    log: say('info'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    debug: say('debug'),
    trace: say('debug'),
  });

  // ---- what cannot be deterministic ----
  for (const name of ['WeakRef', 'FinalizationRegistry']) {
    const refuse = function (): never {
      throw clock.violation(`${name} is not there in workflow code: when the garbage collector runs differs on replay`);
    };
    // The prototype leads to the real constructor, so it goes too.
    define(G, name, refuse);
  }
  for (const name of [
    'SharedArrayBuffer',
    'Atomics',
    'WebAssembly',
    'process',
    'require',
    'fetch',
    'performance',
    'escape',
    'unescape',
  ])
    delete G[name];

  // ---- classes that libraries expect ----
  class EventPolyfill {
    readonly type: string;
    readonly cancelable: boolean;
    defaultPrevented = false;
    target: unknown = null;
    constructor(type: string, init: { cancelable?: boolean } = {}) {
      this.type = String(type);
      this.cancelable = init.cancelable ?? false;
    }
    preventDefault(): void {
      if (this.cancelable) this.defaultPrevented = true;
    }
  }
  class EventTargetPolyfill {
    readonly #listeners = new Map<string, { listener: any; once: boolean }[]>();
    addEventListener(type: string, listener: any, options?: any): void {
      const list = this.#listeners.get(type) ?? [];
      if (!listener || list.some((entry) => entry.listener === listener)) return;
      list.push({ listener, once: typeof options === 'object' && options?.once === true });
      this.#listeners.set(type, list);
    }
    removeEventListener(type: string, listener: any): void {
      const list = this.#listeners.get(type);
      if (list)
        this.#listeners.set(
          type,
          list.filter((entry) => entry.listener !== listener),
        );
    }
    dispatchEvent(event: any): boolean {
      event.target = this;
      for (const entry of this.#listeners.get(event.type) ?? []) {
        if (entry.once) this.removeEventListener(event.type, entry.listener);
        if (typeof entry.listener === 'function') entry.listener.call(this, event);
        else entry.listener.handleEvent(event);
      }
      return !event.defaultPrevented;
    }
  }
  class AbortSignalPolyfill extends EventTargetPolyfill {
    aborted = false;
    reason: unknown = undefined;
    onabort: ((event: unknown) => void) | null = null;
    throwIfAborted(): void {
      if (this.aborted) throw this.reason;
    }
    static abort(reason?: unknown): AbortSignalPolyfill {
      const controller = new AbortControllerPolyfill();
      controller.abort(reason);
      return controller.signal;
    }
    static timeout(ms: number): AbortSignalPolyfill {
      const controller = new AbortControllerPolyfill();
      clock.setTimeout(() => controller.abort(named('TimeoutError', 'The operation was aborted due to timeout')), ms);
      return controller.signal;
    }
    static any(signals: Iterable<AbortSignalPolyfill>): AbortSignalPolyfill {
      const controller = new AbortControllerPolyfill();
      for (const signal of signals) {
        if (signal.aborted) controller.abort(signal.reason);
        else signal.addEventListener('abort', () => controller.abort(signal.reason), { once: true });
      }
      return controller.signal;
    }
  }
  class AbortControllerPolyfill {
    readonly signal = new AbortSignalPolyfill();
    abort(reason: unknown = named('AbortError', 'This operation was aborted')): void {
      if (this.signal.aborted) return;
      this.signal.aborted = true;
      this.signal.reason = reason;
      const event = new EventPolyfill('abort');
      this.signal.onabort?.(event);
      this.signal.dispatchEvent(event);
    }
  }
  function named(name: string, message: string): Error {
    return Object.defineProperty(new Error(message), 'name', { value: name, configurable: true, writable: true });
  }
  define(G, 'Event', EventPolyfill);
  define(G, 'EventTarget', EventTargetPolyfill);
  define(G, 'AbortSignal', AbortSignalPolyfill);
  define(G, 'AbortController', AbortControllerPolyfill);

  class TextEncoderPolyfill {
    readonly encoding = 'utf-8';
    encode(text = ''): Uint8Array {
      const bytes: number[] = [];
      for (const character of String(text)) {
        let p = character.codePointAt(0)!;
        if (p >= 0xd800 && p <= 0xdfff) p = 0xfffd;
        if (p < 0x80) bytes.push(p);
        else if (p < 0x800) bytes.push(0xc0 | (p >> 6), 0x80 | (p & 63));
        else if (p < 0x10000) bytes.push(0xe0 | (p >> 12), 0x80 | ((p >> 6) & 63), 0x80 | (p & 63));
        else bytes.push(0xf0 | (p >> 18), 0x80 | ((p >> 12) & 63), 0x80 | ((p >> 6) & 63), 0x80 | (p & 63));
      }
      return Uint8Array.from(bytes);
    }
  }
  class TextDecoderPolyfill {
    readonly encoding = 'utf-8';
    decode(input?: ArrayBuffer | ArrayBufferView): string {
      if (input === undefined) return '';
      const b = ArrayBuffer.isView(input)
        ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
        : new Uint8Array(input);
      let escaped = '';
      for (const byte of b) escaped += `%${byte.toString(16).padStart(2, '0')}`;
      try {
        return decodeURIComponent(escaped);
      } catch {
        // Not UTF-8 throughout: what is not becomes U+FFFD, a byte at a time.
        let text = '';
        for (let i = 0; i < b.length;) {
          let done = false;
          for (let length = 4; length >= 1 && !done; length--) {
            const part = escaped.slice(i * 3, (i + length) * 3);
            if (part.length < length * 3) continue;
            try {
              const one = decodeURIComponent(part);
              text += one;
              i += length;
              done = true;
            } catch {
              // Tried shorter.
            }
          }
          if (!done) {
            text += '\ufffd';
            i++;
          }
        }
        return text;
      }
    }
  }
  define(G, 'TextEncoder', TextEncoderPolyfill);
  define(G, 'TextDecoder', TextDecoderPolyfill);

  const formEncode = (text: string): string =>
    encodeURIComponent(text)
      .replace(/%20/g, '+')
      .replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const formDecode = (text: string): string => {
    const spaced = text.replace(/\+/g, ' ');
    try {
      return decodeURIComponent(spaced);
    } catch {
      return spaced;
    }
  };
  class URLSearchParamsPolyfill {
    #pairs: [string, string][] = [];
    #changed: () => void = () => undefined;
    constructor(init: any = '') {
      if (typeof init === 'string') this.#read(init);
      else if (typeof init[Symbol.iterator] === 'function')
        for (const [key, value] of init) this.#pairs.push([String(key), String(value)]);
      else for (const key of Object.keys(init)) this.#pairs.push([key, String(init[key])]);
    }
    #read(text: string): void {
      this.#pairs = text
        .replace(/^\?/, '')
        .split('&')
        .filter((part) => part !== '')
        .map((part) => {
          const at = part.indexOf('=');
          return at < 0 ? [formDecode(part), ''] : [formDecode(part.slice(0, at)), formDecode(part.slice(at + 1))];
        });
    }
    /** Ties the list to a URL; not for users. */
    static tie(params: URLSearchParamsPolyfill, text: string, changed: () => void): void {
      params.#changed = (): void => undefined;
      params.#read(text);
      params.#changed = changed;
    }
    get size(): number {
      return this.#pairs.length;
    }
    append(key: string, value: string): void {
      this.#pairs.push([String(key), String(value)]);
      this.#changed();
    }
    delete(key: string): void {
      this.#pairs = this.#pairs.filter(([k]) => k !== key);
      this.#changed();
    }
    get(key: string): string | null {
      return this.#pairs.find(([k]) => k === key)?.[1] ?? null;
    }
    getAll(key: string): string[] {
      return this.#pairs.filter(([k]) => k === key).map(([, value]) => value);
    }
    has(key: string): boolean {
      return this.#pairs.some(([k]) => k === key);
    }
    set(key: string, value: string): void {
      const first = this.#pairs.find(([k]) => k === key);
      if (first) {
        first[1] = String(value);
        this.#pairs = this.#pairs.filter((pair) => pair[0] !== key || pair === first);
      } else this.#pairs.push([String(key), String(value)]);
      this.#changed();
    }
    sort(): void {
      this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      this.#changed();
    }
    forEach(work: (value: string, key: string, params: unknown) => void): void {
      for (const [key, value] of this.#pairs) work(value, key, this);
    }
    *keys(): IterableIterator<string> {
      for (const [key] of this.#pairs) yield key;
    }
    *values(): IterableIterator<string> {
      for (const [, value] of this.#pairs) yield value;
    }
    *entries(): IterableIterator<[string, string]> {
      for (const [key, value] of this.#pairs) yield [key, value];
    }
    [Symbol.iterator](): IterableIterator<[string, string]> {
      return this.entries();
    }
    toString(): string {
      return this.#pairs.map(([key, value]) => `${formEncode(key)}=${formEncode(value)}`).join('&');
    }
  }
  const tie = URLSearchParamsPolyfill.tie;
  delete (URLSearchParamsPolyfill as any).tie;
  const PARTS = ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];
  class URLPolyfill {
    #parts: any;
    readonly searchParams = new URLSearchParamsPolyfill();
    constructor(href: unknown, base?: unknown) {
      this.#take({ href: String(href), ...(base === undefined ? {} : { base: String(base) }) });
    }
    #take(request: unknown): void {
      const parts = JSON.parse(host.url(JSON.stringify(request)));
      if (parts.error) throw new TypeError(parts.error);
      this.#parts = parts;
      tie(this.searchParams, parts.search, () => {
        this.#parts = JSON.parse(
          host.url(JSON.stringify({ href: this.#parts.href, set: ['search', this.searchParams.toString()] })),
        );
      });
    }
    static {
      for (const part of PARTS) {
        Object.defineProperty(this.prototype, part, {
          configurable: true,
          enumerable: true,
          get(this: URLPolyfill) {
            return this.#parts[part];
          },
          set(this: URLPolyfill, value: unknown) {
            this.#take({ href: this.#parts.href, set: [part, String(value)] });
          },
        });
      }
    }
    get origin(): string {
      return this.#parts.origin;
    }
    static canParse(href: unknown, base?: unknown): boolean {
      return !JSON.parse(
        host.url(JSON.stringify({ href: String(href), ...(base === undefined ? {} : { base: String(base) }) })),
      ).error;
    }
    toString(): string {
      return this.#parts.href;
    }
    toJSON(): string {
      return this.#parts.href;
    }
  }
  define(G, 'URL', URLPolyfill);
  define(G, 'URLSearchParams', URLSearchParamsPolyfill);

  define(G, 'structuredClone', (value: unknown) => {
    const seen = new Map<unknown, unknown>();
    const clone = (v: any): any => {
      if (typeof v === 'function' || typeof v === 'symbol')
        throw named('DataCloneError', `${String(v)} could not be cloned.`);
      if (typeof v !== 'object' || v === null) return v;
      if (seen.has(v)) return seen.get(v);
      const keep = (copy: any): any => {
        seen.set(v, copy);
        return copy;
      };
      if (v instanceof RealDate) return keep(new (PleachDate as any)((v as any).getTime()));
      if (v instanceof RegExp) return keep(new RegExp(v.source, v.flags));
      if (v instanceof ArrayBuffer) return keep(v.slice(0));
      if (ArrayBuffer.isView(v)) {
        const buffer = clone(v.buffer);
        return keep(
          v instanceof DataView
            ? new DataView(buffer, v.byteOffset, v.byteLength)
            : new (v.constructor as any)(buffer, v.byteOffset, (v as any).length),
        );
      }
      if (v instanceof Map) {
        const copy = keep(new Map());
        for (const [key, item] of v) copy.set(clone(key), clone(item));
        return copy;
      }
      if (v instanceof Set) {
        const copy = keep(new Set());
        for (const item of v) copy.add(clone(item));
        return copy;
      }
      if (v instanceof Error) {
        const copy = keep(named(v.name, v.message));
        copy.stack = v.stack;
        if ('cause' in v) copy.cause = clone(v.cause);
        return copy;
      }
      const copy = keep(Array.isArray(v) ? Array.from({ length: v.length }) : {});
      for (const key of Object.keys(v)) copy[key] = clone(v[key]);
      return copy;
    };
    return clone(value);
  });

  // ---- freezing: constructors and statics; prototypes stay open, since libraries patch them ----
  const intrinsics: any[] = [
    Object.getPrototypeOf(Int8Array),
    Object.getPrototypeOf(async () => undefined).constructor,
    Object.getPrototypeOf(function* () {}).constructor,
    Object.getPrototypeOf(async function* () {}).constructor,
  ];
  for (const key of Reflect.ownKeys(G)) {
    const descriptor = Object.getOwnPropertyDescriptor(G, key)!;
    if (!('value' in descriptor) || key === 'globalThis') continue;
    const value = descriptor.value;
    if ((typeof value === 'function' || (typeof value === 'object' && value !== null)) && value !== Error)
      intrinsics.push(value);
    // Bare names cannot be assigned; what a run sets on its own globalThis is put here by the host while it runs.
    if (descriptor.configurable) Object.defineProperty(G, key, { ...descriptor, writable: false });
  }
  for (const value of intrinsics) Object.freeze(value);
  for (const inner of [Intl, G.Temporal]) {
    if (!inner) continue;
    for (const key of Object.getOwnPropertyNames(inner))
      if (typeof inner[key] === 'function' || typeof inner[key] === 'object') Object.freeze(inner[key]);
  }
  // Of Error only what V8 lets libraries set (stackTraceLimit, prepareStackTrace) stays open.
  for (const key of ['captureStackTrace', 'isError', 'prototype', 'name', 'length']) {
    const descriptor = Object.getOwnPropertyDescriptor(Error, key);
    if (descriptor?.configurable)
      Object.defineProperty(Error, key, { ...descriptor, writable: false, configurable: false });
  }
}

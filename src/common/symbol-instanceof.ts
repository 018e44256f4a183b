/**
 * Makes `instanceof` look for a mark instead of a prototype, so that an error is recognised in another realm (the
 * workflow sandbox) and where a package is installed twice. Subclasses that users write keep the ordinary test.
 */
export function markInstances(type: { prototype: object }, name: string): void {
  const mark = Symbol.for(`pleach.${name}`);
  Object.defineProperty(type.prototype, mark, { value: true });
  Object.defineProperty(type.prototype, 'name', { value: name, writable: true, configurable: true });
  Object.defineProperty(type, Symbol.hasInstance, {
    value(this: { prototype: object }, value: unknown): boolean {
      if (typeof value !== 'object' || value === null) return false;
      if (this === type) return (value as Record<symbol, unknown>)[mark] === true;
      return Object.prototype.isPrototypeOf.call(this.prototype, value);
    },
  });
}

// Is imported to see whether it can be.
export {};

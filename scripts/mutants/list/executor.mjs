export const executor = [];

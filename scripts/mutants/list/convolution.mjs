export const conv = [];

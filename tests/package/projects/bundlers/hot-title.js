export const title = "before";

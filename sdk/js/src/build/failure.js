/** Something that the author can mend; its message is all there is to say. */
export class Failure extends Error {}

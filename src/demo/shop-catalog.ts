/** Something that the shop sells. */
export interface Product {
  /** What a request calls it. */
  readonly item: string;
  readonly name: string;
  readonly blurb: string;
  /** In euro cents: a cart never computes with fractions. */
  readonly price: number;
}

/** Everything on the shelf, in the order in which the page shows it. The page has a drawing for each `item`. */
export const PRODUCTS: readonly Product[] = [
  { item: 'mug', name: 'Enamel mug', blurb: 'Survives being dropped on rocks.', price: 1450 },
  { item: 'lamp', name: 'Storm lantern', blurb: 'Stays lit when the wind turns.', price: 5900 },
  { item: 'compass', name: 'Brass compass', blurb: 'Always finds the way back.', price: 8450 },
  { item: 'blanket', name: 'Wool blanket', blurb: 'Woven on the coast, warm when wet.', price: 7200 },
  { item: 'kettle', name: 'Camp kettle', blurb: 'Tea for four in six minutes.', price: 3990 },
  { item: 'notebook', name: 'Tide notebook', blurb: 'Waterproof paper, 96 pages.', price: 1280 },
];

/**
 * Owns the networks that the benchmark knows: a row each, for both sides. The peer builds the network
 * of a row by its name there (see peer_networks.py).
 */
import { models, type nn } from 'neuronode';

/** A network, its images and its batch. */
export interface Network {
  readonly make: () => nn.Module;
  /** What peer_networks.py calls it. */
  readonly peerName: string;
  /** [C, H, W]. */
  readonly imageShape: readonly [number, number, number];
  /** Images of a training step, and of an inference besides that of one image. */
  readonly batch: number;
}

const table = {
  alexnet: {
    make: () => models.alexnet(),
    peerName: 'alexnet',
    imageShape: [1, 224, 224],
    batch: 128,
  },
  lenet: { make: () => models.lenet(), peerName: 'lenet', imageShape: [1, 28, 28], batch: 128 },
  resnet18: {
    make: () => models.resnet18(),
    peerName: 'resnet18',
    imageShape: [3, 64, 64],
    batch: 64,
  },
  mobilenetV2: {
    make: () => models.mobilenetV2(),
    peerName: 'mobilenet_v2',
    imageShape: [3, 224, 224],
    batch: 16,
  },
} as const satisfies Record<string, Network>;

export type NetworkName = keyof typeof table;

export const networks: Readonly<Record<NetworkName, Network>> = table;
export const networkNames = Object.keys(table) as readonly NetworkName[];

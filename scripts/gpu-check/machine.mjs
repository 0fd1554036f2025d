/** Owns how a machine and its device are described. */
import { arch, cpus, release } from 'node:os';

/** Facts of the machine and the device, by name. */
export function describeMachine(device) {
  const { type: _, name, model, emulated, ...facts } = device;
  const simple = Object.entries(facts).filter(([, value]) => typeof value !== 'object');
  return {
    device: `${name}, ${model}${emulated ? ' (emulated)' : ''}`,
    ...Object.fromEntries(simple.map(([key, value]) => [key, String(value)])),
    processor: `${cpus()[0]?.model ?? arch()}, ${cpus().length} cores`,
    system: `Linux ${release()}, Node ${process.version}`,
    date: new Date().toISOString().slice(0, 10),
  };
}

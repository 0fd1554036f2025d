/** Prediction: the public names. */
export { type Prediction, Predictor, type PredictorOptions } from './predictor.js';

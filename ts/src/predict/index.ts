/** Prediction: the public names. */
export {
  type Prediction,
  Predictor,
  type PredictorOptions,
  type PredictorOutputs,
} from './predictor.js';

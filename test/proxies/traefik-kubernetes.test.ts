import { kubernetesResources } from '../kit/traefik-variants.js';
import { describeProxy } from './cases.js';

describeProxy('traefik', { relaysBodies: true, whenDown: 500 }, { title: 'Kubernetes', prepare: kubernetesResources });

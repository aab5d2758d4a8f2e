{{/* The template of a pod, of the StatefulSet and the Deployment alike. */}}
{{- define "akprox.pod" -}}
metadata:
  labels:
    {{- include "akprox.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # A change of the configuration replaces the pods.
    checksum/config: {{ include "akprox.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  # 5 s until no proxy knows the pod any more, then at most 15 s for what is in flight.
  terminationGracePeriodSeconds: 30
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    {{- with .Values.runAsUser }}
    runAsUser: {{ . }}
    {{- end }}
    {{- with .Values.fsGroup }}
    fsGroup: {{ . }}
    {{- end }}
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: akprox
      image: {{ include "akprox.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      env:
        - name: AKPROX_CONFIG
          value: /etc/akprox/akprox.yaml
        {{- with .Values.authentik }}
        {{- if .host }}
        - name: AUTHENTIK_HOST
          value: {{ .host | quote }}
        - name: AUTHENTIK_TOKEN
          valueFrom:
            secretKeyRef:
              name: {{ required "authentik.tokenSecret.name: the Secret with the outpost's token" .tokenSecret.name | quote }}
              key: {{ .tokenSecret.key | quote }}
        {{- with .hostBrowser }}
        - name: AUTHENTIK_HOST_BROWSER
          value: {{ . | quote }}
        {{- end }}
        {{- if .insecure }}
        - name: AUTHENTIK_INSECURE
          value: "true"
        {{- end }}
        {{- end }}
        {{- end }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: http
          containerPort: 9000
        - name: https
          containerPort: 9443
        - name: metrics
          containerPort: 9300
      startupProbe:
        httpGet:
          path: /readyz
          port: metrics
        periodSeconds: 1
        failureThreshold: 60
      readinessProbe:
        httpGet:
          path: /readyz
          port: metrics
        periodSeconds: 2
        failureThreshold: 1
      livenessProbe:
        httpGet:
          path: /livez
          port: metrics
        periodSeconds: 10
        timeoutSeconds: 3
      lifecycle:
        preStop:
          exec:
            command: [sleep, "5"]
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: config
          mountPath: /etc/akprox
          readOnly: true
        # Of the embedded store; otherwise what is remembered of authentik.
        - name: data
          mountPath: /data
        - name: tmp
          mountPath: /tmp
        {{- if .Values.secretName }}
        - name: secrets
          mountPath: /run/secrets/akprox
          readOnly: true
        {{- end }}
        {{- if .Values.https.secretName }}
        - name: tls
          mountPath: /run/tls
          readOnly: true
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "akprox.fullname" . }}
    - name: tmp
      emptyDir: {}
    {{- if or (eq (include "akprox.storeKind" .) "redis") (not .Values.persistence.enabled) }}
    - name: data
      emptyDir: {}
    {{- else if .Values.persistence.existingClaim }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ .Values.persistence.existingClaim | quote }}
    {{- end }}
    {{- with .Values.secretName }}
    - name: secrets
      secret:
        secretName: {{ . | quote }}
    {{- end }}
    {{- with .Values.https.secretName }}
    - name: tls
      secret:
        secretName: {{ . | quote }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- with .Values.topologySpreadConstraints }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "akprox.selector" . | nindent 10 }}
    {{- end }}
{{- end }}
